#!/usr/bin/env python3
"""Runs the tests of this folder against a kyanite program: run.py PROGRAM [unittest names...]."""
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit("usage: run.py PROGRAM [TEST...]")
    os.environ["KYANITE_PROGRAM"] = str(Path(sys.argv[1]).resolve())
    for name in [name for name in os.environ if name.startswith("KYANITE_") and name != "KYANITE_PROGRAM"]:
        del os.environ[name]
    sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(sys.argv[2:]) if len(sys.argv) > 2 else loader.discover(str(HERE))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    passed = result.testsRun - failed - len(result.skipped)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
