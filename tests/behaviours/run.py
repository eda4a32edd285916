#!/usr/bin/env python3
"""Runs the behaviours against a kyanite program: run.py PROGRAM [unittest names...], or KYANITE_BINARY names the program."""
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Result(unittest.TextTestResult):
    """Counts what ran to its end; a failure of a subtest counts once."""

    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    arguments = sys.argv[1:]
    program = arguments.pop(0) if arguments else os.environ.get("KYANITE_BINARY", "")
    if not os.access(program, os.X_OK):
        sys.exit("usage: run.py PROGRAM [TEST...]")
    program = str(Path(program).resolve())
    for name in [name for name in os.environ if name.startswith("KYANITE_")]:
        del os.environ[name]
    sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
    import world  # after the path is set

    world.begin(program)
    try:
        loader = unittest.TestLoader()
        suite = loader.loadTestsFromNames(arguments) if arguments else loader.discover(str(HERE))
        result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
        trouble = world.end()
    finally:
        world.kill_all()
    if trouble:
        print(trouble)
    failed = result.testsRun - result.passed - len(result.skipped)
    failed += len(result.errors) if failed == 0 and not result.wasSuccessful() else 0
    failed += 1 if trouble else 0
    print(f"{result.passed} passed, {failed} failed")
    return 0 if failed == 0 and result.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
