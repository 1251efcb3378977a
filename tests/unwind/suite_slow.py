#!/usr/bin/env python3
"""The official scripts instruction by instruction: unwind_scripts, a test a script."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
import spectest  # noqa: E402 pylint: disable=wrong-import-position

PROGRAM = os.path.join(os.environ.get("IMAGO_BUILD", os.path.join(ROOT, "build/debug")),
                       "unwind_scripts")

def main():
    passed = failed = 0
    scripts = spectest.scripts("core")
    if not scripts or not os.path.exists(PROGRAM):
        print("skipped: no official scripts, or no unwind_scripts in this build")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    for script in scripts:
        done = subprocess.run([PROGRAM, script], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            passed += 1
        else:
            failed += 1
            print(f"{script}: status {done.returncode}: {done.stdout}")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
