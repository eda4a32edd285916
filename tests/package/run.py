#!/usr/bin/env python3
"""Tests of the image and the packages: run.py PRESET [unittest names...]. PRESET is a build of scripts/build.sh."""
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: run.py PRESET [TEST...]")
    program = HERE.parent.parent / "build" / sys.argv[1] / "server" / "app" / "kyanite"
    if not os.access(program, os.X_OK):
        sys.exit(f"{program} is not built: scripts/build.sh {sys.argv[1]} kyanite")
    for name in [name for name in os.environ if name.startswith("KYANITE_") and name != "KYANITE_TEST_DOCKER"]:
        del os.environ[name]
    os.environ["KYANITE_PRESET"] = sys.argv[1]
    os.environ["KYANITE_PROGRAM"] = str(program)
    sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(sys.argv[2:]) if len(sys.argv) > 2 else loader.discover(str(HERE))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    # A class or file that was skipped as a whole was not run, and does not count as such.
    passed = result.testsRun - failed - sum(isinstance(test, unittest.TestCase) for test, _ in result.skipped)
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    print(f"{len(result.skipped)} skipped")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
