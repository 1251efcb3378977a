#!/usr/bin/env python3
"""Where functions stand changes nothing: part of the official scripts and our own under a few
random settings; images with other layouts are as valid as the usual ones, and usual settings that
are spelled out give the usual bytes. suite_slow.py runs all scripts, far_slow.py the farthest.

LAYOUT_SEED chooses other settings.
"""
import os
import subprocess
import sys
import tempfile

import layouts

ROUNDS = 5
SCRIPTS_A_ROUND = 16
HERE = os.path.dirname(os.path.abspath(__file__))


def compile_to(out, *settings):
    source = os.path.join(HERE, "far.wat")
    subprocess.run([layouts.IMAGO, "compile", source, "-o", out, *settings], check=True)
    with open(out, "rb") as file:
        return file.read()


def check_images(counts, rng, folder):
    out = os.path.join(folder, "image")
    usual = compile_to(out)
    counts.expect(usual == compile_to(out, "--func-align", "16"), "alignment of 16 is the default")
    counts.expect(len(usual) < len(compile_to(out, "--force-veneers")), "veneers take room")
    for _ in range(20):
        settings = layouts.random_settings(rng)
        first = compile_to(out, *settings)
        counts.expect(first == compile_to(out, *settings), "the same bytes twice:", settings)
        verified = subprocess.run([layouts.IMAGO, "verify", out], check=False)
        counts.expect(verified.returncode == 0, "verify:", settings)


def main():
    rng, counts = layouts.seeded(), layouts.Counts()
    official = counts.official_scripts()
    for _ in range(ROUNDS):
        part = rng.sample(official, min(SCRIPTS_A_ROUND, len(official)))
        counts.run_scripts(layouts.random_settings(rng), part + layouts.own_scripts())
    with tempfile.TemporaryDirectory() as folder:
        check_images(counts, rng, folder)
    return counts.end()


sys.exit(main())
