#!/usr/bin/env python3
"""All official scripts and our own under random settings of where functions stand.

LAYOUT_ROUNDS settings (10), chosen by LAYOUT_SEED.
"""
import os
import sys

import layouts


def main():
    rng, counts = layouts.seeded(), layouts.Counts()
    official = counts.official_scripts()
    for _ in range(int(os.environ.get("LAYOUT_ROUNDS", "10"))):
        settings = layouts.random_settings(rng)
        print(" ".join(settings), flush=True)
        counts.run_scripts(settings, official + layouts.own_scripts())
    return counts.end()


sys.exit(main())
