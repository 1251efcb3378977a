#!/usr/bin/env python3
"""Compiling takes time and memory in proportion to the module, whatever its shape.

Makes each shape of shapes.py in doubling sizes, compiles them on one thread, and holds the command
to what is promised: NS_PER_BYTE and BYTES_PER_BYTE over a constant, and for twice the size at most
GROWTH times the time, on average over the doublings. Of shapes that are not classic, the image
itself is not counted as memory: some opcodes are short and their code is long.
Prints a line a shape with --verbose, and "N passed, N failed, N skipped" last.

    tests/scale/run.py [--verbose] [NAME...]

The command is $IMAGO, or build/imago.
"""
import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import shapes  # noqa: E402

IMAGO = os.environ.get("IMAGO", os.path.join(ROOT, "build", "imago"))
SIZES = [500_000, 1_000_000, 2_000_000, 4_000_000]
NS_PER_BYTE, CONSTANT_NS = 100, 20e6
BYTES_PER_BYTE, CONSTANT_BYTES = 20, 16 << 20
GROWTH = 2.6
NOISE_NS = 8e6  # times below this are not told apart
TRIES = 3
SECONDS = 60


# A child's peak memory is at least what its parent had when it was forked, so this script stays
# small: modules are made by another process.
MAKE = "import shapes, sys; name, size, path = sys.argv[1:]; " \
       "open(path, 'wb').write(shapes.SHAPES[name](int(size)))"


class Cost:
    def __init__(self, nanoseconds, peak_bytes, image_bytes):
        self.nanoseconds, self.peak_bytes = nanoseconds, peak_bytes
        self.image_bytes = image_bytes


def compile_once(path, output):
    """Processor time and peak memory of one run; a message if it fails."""
    start = time.monotonic()
    process = subprocess.Popen([IMAGO, "compile", "-j", "1", path, "-o", output],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE,
                               preexec_fn=lambda: resource.setrlimit(
                                   resource.RLIMIT_CPU, (SECONDS, SECONDS)))
    message = process.stderr.read().decode(errors="replace").strip()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        return None, f"exit status {process.returncode} after " \
                     f"{time.monotonic() - start:.1f} s: {message[:200]}"
    seconds = usage.ru_utime + usage.ru_stime
    return Cost(seconds * 1e9, usage.ru_maxrss * 1024, os.path.getsize(output)), ""


def make_module(name, size, path):
    subprocess.run([sys.executable, "-c", MAKE, name, str(size), path], cwd=HERE, check=True,
                   stdin=subprocess.DEVNULL)
    return os.path.getsize(path)


def complaint_of(name, cost, size):
    """What of one compilation is over the limit; the empty string: nothing."""
    nanoseconds = (cost.nanoseconds - CONSTANT_NS) / size
    counted = cost.peak_bytes - (0 if name in shapes.CLASSIC else cost.image_bytes)
    per_byte = (counted - CONSTANT_BYTES) / size
    if nanoseconds > NS_PER_BYTE:
        return f"{nanoseconds:.0f} ns a byte"
    if per_byte > BYTES_PER_BYTE:
        return f"{per_byte:.1f} bytes of memory a byte, image {cost.image_bytes / size:.1f}"
    return ""


def measure(name, path, output, size):
    """The best of a few runs, as the machine is shared."""
    best = None
    for _ in range(TRIES):
        cost, message = compile_once(path, output)
        if cost is None:
            return None, message
        if best is not None:
            cost.nanoseconds = min(cost.nanoseconds, best.nanoseconds)
            cost.peak_bytes = min(cost.peak_bytes, best.peak_bytes)
        best = cost
    return best, complaint_of(name, best, size)


def growth_of(costs):
    """Factor of time for twice the size, over all doublings whose times can be told from noise."""
    times = [max(cost.nanoseconds, NOISE_NS) for cost in costs]
    while len(times) > 2 and times[1] <= NOISE_NS:
        times = times[1:]
    return (times[-1] / times[0]) ** (1 / (len(times) - 1)) if len(times) > 1 else 1


def check_shape(name, folder):
    """Complaint, or the empty string; and a line about what was measured."""
    path, output = os.path.join(folder, "bomb.wasm"), os.path.join(folder, "bomb.image")
    costs, line, size = [], "", 0
    for wanted in SIZES:
        previous_size, size = size, make_module(name, wanted, path)
        if size < 1.8 * previous_size:
            break  # the shape has reached a limit of the format
        cost, message = measure(name, path, output, size)
        if cost is not None:
            line = (f"{size / 1e6:.1f} MB: {cost.nanoseconds / size:5.1f} ns, "
                    f"{(cost.peak_bytes - CONSTANT_BYTES) / size:5.1f} bytes a byte, "
                    f"image {cost.image_bytes / size:.1f}")
        if message:
            return f"{size} bytes: {message}", line
        costs.append(cost)
    growth = growth_of(costs)
    line += f", growth {growth:.2f}"
    if growth > GROWTH:
        return f"time grows {growth:.1f} times for twice the size", line
    return "", line


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or list(shapes.SHAPES)
    if not os.path.exists(IMAGO):
        print(f"skipped: no {IMAGO}")
        print(f"0 passed, 0 failed, {len(names)} skipped")
        return 0
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            complaint, line = check_shape(name, folder)
            passed += not complaint
            failed += bool(complaint)
            if complaint:
                print(f"{name}: {complaint}")
            if options.verbose:
                print(f"{name:40} {line}", flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
