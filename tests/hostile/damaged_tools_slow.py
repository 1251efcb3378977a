#!/usr/bin/env python3
"""damaged_tools.py on thousands of images."""
import sys

import damaged_tools

if __name__ == "__main__":
    sys.exit(damaged_tools.main(3000))
