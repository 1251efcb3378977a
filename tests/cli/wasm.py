"""Binary modules put together byte by byte, wrong ones too."""

MAGIC = b"\0asm"
HEAD = MAGIC + b"\1\0\0\0"
TYPE, IMPORT, FUNC, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEM, CODE, DATA = range(1, 12)


def leb(value, width=0):
    """Unsigned LEB128, padded to `width` bytes."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        more = value != 0 or len(out) + 1 < width
        out.append(byte | (0x80 if more else 0))
        if not more:
            return bytes(out)


def section(number, body):
    return bytes([number]) + leb(len(body)) + body


def vec(*items):
    return leb(len(items)) + b"".join(items)


def name(text):
    data = text if isinstance(text, bytes) else text.encode()
    return leb(len(data)) + data


def body(code, local_groups=b"\0"):
    return leb(len(local_groups) + len(code)) + local_groups + code


VOID = b"\x60\0\0"
ONE_TYPE = section(TYPE, vec(VOID))
ONE_FUNC = section(FUNC, vec(b"\0"))
EMPTY_CODE = section(CODE, vec(body(b"\x0b")))


def func_name_section(func, text):
    """Contents of a name section that names one function."""
    names = vec(leb(func) + name(text))
    return name("name") + b"\1" + leb(len(names)) + names


def slow_module(seconds_of_work):
    """A module of one function type whose compilation takes a while."""
    code = b"\x41\x01\x41\x02\x6a\x1a" * 200000 + b"\x0b"
    count = round(30 * seconds_of_work)
    bodies = body(code) * count
    return (HEAD + ONE_TYPE + section(FUNC, leb(count) + bytes(count)) +
            section(CODE, leb(count) + bodies))
