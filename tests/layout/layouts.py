"""Settings of what else an image may look like, and scripts that must not notice them."""
import glob
import os
import random
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import spectest  # noqa: E402 pylint: disable=wrong-import-position

IMAGO = os.path.abspath(os.environ.get("IMAGO", os.path.join(ROOT, "build/imago")))
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")
# Modules of the scripts have hundreds of functions: their text stays in reach of their data.
PADDINGS = ["1", "100", "5K", "64K", "1M"]
SMALL_PADDINGS = PADDINGS[:3]  # for modules of thousands


def seeded():
    return random.Random(int(os.environ.get("LAYOUT_SEED", "1")))


def random_settings(rng, paddings=PADDINGS):
    """Options of `imago compile` and `imago wast`."""
    settings = []
    if rng.random() < 0.5:
        settings += ["--func-align", str(1 << rng.randrange(13))]
    if rng.random() < 0.5:
        settings += ["--func-padding", rng.choice(paddings)]
    if rng.random() < 0.7:
        settings += ["--shuffle-funcs", str(rng.randrange(1, 1 << 32))]
    if rng.random() < 0.6:
        settings += ["--address-map", rng.choice(["none", "all", "all"])]
    if rng.random() < 0.6 or not settings:
        settings += ["--force-veneers"]
    return settings


def own_scripts():
    return sorted(glob.glob(os.path.join(ROOT, "tests/files/*/*.wast")))


class Counts:
    """Adds up what `imago wast` says."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def expect(self, condition, *what):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print("failed:", *what)

    def run_scripts(self, settings, scripts):
        done = subprocess.run([IMAGO, "wast", *settings, *scripts], capture_output=True, text=True,
                              check=False)
        lines = done.stdout.splitlines()
        match = COUNTS.match(lines[-1]) if lines else None
        passed, failed, skipped = map(int, match.groups()) if match else (0, 1, 0)
        if done.returncode != 0 or failed != 0:
            failed = max(failed, 1)
            print(f"with {' '.join(settings)}: exit status {done.returncode}")
            print("\n".join(lines[:20] + done.stderr.splitlines()[:20]))
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def official_scripts(self):
        """Paths; none, which counts as skipped, if they are not on this machine."""
        scripts = spectest.scripts("core")
        if not scripts:
            print(spectest.MISSING)
            self.skipped += 1
        return scripts

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0
