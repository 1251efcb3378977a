#!/usr/bin/env python3
"""Number literals of the text format against exact rational arithmetic.

Random decimal and hexadecimal literals, long ones, huge exponents, half-way points between two
floats and their neighbours: the bits as f32 and as f64 must be those of the nearest float, ties to
even, or out of range. TEXT_NUMBERS_SEED chooses other literals.

Last line: "N passed, N failed, N skipped"; a test is one literal.
"""

import os
import random
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "helper"))
import wat_main  # pylint: disable=wrong-import-position

F32 = (23, 127, "<f", "<I")  # fraction bits, bias
F64 = (52, 1023, "<d", "<Q")


def nearest(value, fraction_bits, bias):
    """Bits of the float nearest to a Fraction >= 0, or None if it is infinite."""
    if value == 0:
        return 0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    scale = max(exponent, 1 - bias)
    scaled = value / Fraction(2) ** (scale - fraction_bits)
    bits, rest = divmod(scaled.numerator, scaled.denominator)
    rest = Fraction(rest, scaled.denominator)
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and bits & 1):
        bits += 1
    if exponent == scale:
        bits += (exponent + bias - 1) << fraction_bits
    return bits if bits >> fraction_bits <= 2 * bias else None


def with_gaps(digits):
    out = ""
    for i, digit in enumerate(digits):
        out += digit
        if i + 1 < len(digits) and random.random() < 0.05:
            out += "_"
    return out


def digits(most, alphabet):
    return "".join(random.choice(alphabet) for _ in range(random.randint(1, most)))


def literal(is_hex):
    """A literal and its value."""
    most = random.choice([1, 2, 5, 10, 17, 20, 40])
    alphabet = "0123456789abcdefABCDEF" if is_hex else "0123456789"
    whole, part = digits(most, alphabet), random.choice([None, "", digits(most, alphabet)])
    spread = random.choice([0, 10, 160, 1100] if is_hex else [0, 10, 60, 350])
    exponent = random.randint(-spread, spread)
    text = ("0x" if is_hex else "") + with_gaps(whole)
    if part is not None:
        text += "." + with_gaps(part)
    if spread != 0:
        sign = "-" if exponent < 0 else random.choice(["", "+"])
        text += random.choice("pP" if is_hex else "eE") + sign + with_gaps(str(abs(exponent)))
    part = part or ""
    value = Fraction(int(whole + part, 16 if is_hex else 10))
    scale = Fraction(2) ** (exponent - 4 * len(part)) if is_hex else 0
    return text, value * (scale if is_hex else Fraction(10) ** (exponent - len(part)))


def half_way():
    """A decimal at, just below or just above the middle between two floats."""
    fraction_bits, bias, pack_float, pack_int = random.choice([F32, F64])
    bits = random.randrange((2 * bias << fraction_bits) - 1) >> random.choice([0, 0, 0, 20])

    def value_of(pattern):
        return Fraction(struct.unpack(pack_float, struct.pack(pack_int, pattern))[0])

    middle = (value_of(bits) + value_of(bits + 1)) / 2
    power = middle.denominator.bit_length() - 1
    zeros = random.choice([0, 0, 1, 5, 900])
    number = middle.numerator * 5**power * 10**zeros + random.choice([-1, 0, 1])
    return f"{number}e{-power - zeros}", number * Fraction(10) ** (-power - zeros)


def far_digit():
    """A middle that only a digit far behind tells apart."""
    text, value = half_way()
    whole, exponent = text.split("e")
    whole += "0" * random.randint(1, 3000) + "1"
    exponent = int(exponent) - (len(whole) - len(text.split("e", maxsplit=1)[0]))
    del value
    return f"{whole}e{exponent}", int(whole) * Fraction(10) ** exponent


FIXED = [
    ("1e400", Fraction(10) ** 400),
    ("1e-99999999999999999999", Fraction(0)),
    ("0e99999999999999999999", Fraction(0)),
    ("0." + "0" * 500 + "1e500", Fraction(1, 10)),
    ("1" + "0" * 500 + "e-500", Fraction(1)),
    ("0x0." + "0" * 500 + "1p2000", Fraction(2) ** -4),
    ("0x1.fffffeffffffffffffffffp127", Fraction(0x1FFFFFEFFFFFFFFFFFFFFFF, 16**22) * 2**127),
    ("0x1p-1075", Fraction(1, 2**1075)),
    ("0x1.00000000000000000001p-1075", Fraction(16**20 + 1, 16**20 * 2**1075)),
]


def main():
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    random.seed(int(os.environ.get("TEXT_NUMBERS_SEED", "1")))
    cases = FIXED + [literal(i % 2 == 0) for i in range(6000)]
    cases += [half_way() for _ in range(2000)] + [far_digit() for _ in range(100)]
    counts = wat_main.Counts()
    with tempfile.TemporaryDirectory() as folder:
        listing = os.path.join(folder, "literals")
        with open(listing, "w", encoding="ascii") as file:
            file.writelines(text + "\n" for text, _ in cases)
        run = subprocess.run(
            [wat_main.build(folder), "numbers", listing, "-"], capture_output=True, check=True
        )
    for (text, value), line in zip(cases, run.stdout.decode().splitlines(), strict=True):
        single, double = nearest(value, *F32[:2]), nearest(value, *F64[:2])
        expected = "range" if single is None else f"{single:08x}"
        expected += " range" if double is None else f" {double:016x}"
        counts.expect(line[2:] == expected, text[:80], line, "- expected", expected)
    counts.end()


main()
