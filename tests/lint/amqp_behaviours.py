#!/usr/bin/env python3
"""Checks that each numbered behaviour of the AMQP contract has a test over the wire that names it.

Tests name a behaviour as A<number>: in the name of a test of tests/behaviours, or in a title or a text of tests/compat, where
the peers are unmodified clients. Prints every number that nobody names and fails if there is one.
"""
import re
import sys
from pathlib import Path

LAST = 54
FOLDERS = (("tests/behaviours", "test_amqp_*.py"), ("tests/compat/node", "*.test.js"), ("tests/compat/python", "test_*.py"))
NAMED = re.compile(r"(?<![A-Za-z0-9])A([0-9]{1,2})(?![0-9])")


def numbers_in(text):
    # An underscore stands between the parts of a test's name.
    return {int(number) for number in NAMED.findall(text.replace("_", " "))}


def missing(texts):
    return sorted(set(range(1, LAST + 1)).difference(*map(numbers_in, texts)))


def self_test():
    assert numbers_in("def test_A8_A45_settled(self):") == {8, 45}
    assert numbers_in("test('A33: a client') # xA7, A123") == {33}
    assert missing(["A1 " + " ".join(f"A{number}" for number in range(3, LAST + 1))]) == [2]
    assert missing([]) == list(range(1, LAST + 1))


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = Path(sys.argv[1])
    texts = [path.read_text() for folder, pattern in FOLDERS for path in sorted((root / folder).glob(pattern))]
    unnamed = missing(texts)
    for number in unnamed:
        print(f"no test over the wire names A{number}")
    return 1 if unnamed else 0


if __name__ == "__main__":
    sys.exit(main())
