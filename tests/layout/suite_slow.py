#!/usr/bin/env python3
"""All official scripts and our own under random settings of where functions stand.

LAYOUT_ROUNDS settings (10), chosen by LAYOUT_SEED.
"""
import os
import random
import sys

import layouts


def main():
    rng = random.Random(int(os.environ.get("LAYOUT_SEED", "1")))
    counts = layouts.Counts()
    official = layouts.official_scripts()
    if not official:
        print("skipped: the official scripts are not here; IMAGO_SPECTEST names their folder")
        counts.skipped += 1
    for _ in range(int(os.environ.get("LAYOUT_ROUNDS", "10"))):
        settings = layouts.random_settings(rng)
        print(" ".join(settings), flush=True)
        counts.run_scripts(settings, official + layouts.own_scripts())
    return counts.end()


sys.exit(main())
