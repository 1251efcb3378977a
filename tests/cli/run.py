#!/usr/bin/env python3
"""The command imago, from outside: exit statuses, messages, files.

    tests/cli/run.py    tests $IMAGO, or build/imago
"""
import os
import sys

import files
import installed
import rows_modules
import rows_traps
import rows_usage
import tables
from harness import Folder, IMAGO, Tests


def main():
    if not os.path.exists(IMAGO):
        print(f"{IMAGO} is not built")
        return 1
    tests = Tests()
    for group in (rows_usage, rows_modules, rows_traps):
        folder = Folder(group.FILES)
        tests.rows(group.ROWS, folder)
        folder.close()
    for group in (files, tables, installed):
        for test in group.TESTS:
            folder = Folder(group.FILES)
            tests.function(test.__name__, test, folder)
            folder.close()
    return tests.end()


if __name__ == "__main__":
    sys.exit(main())
