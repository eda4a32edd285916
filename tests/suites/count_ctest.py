#!/usr/bin/env python3
"""Counts the cases of a ctest run: each GoogleTest case, and each other test once.

The directory holds ctest.xml (JUnit form) and cases/*.json (GoogleTest's own reports, one a program). A program that
ctest calls failed although its report shows no failure (it crashed, or leaked) counts as one failure more.
What failed is said last, each case with its assertions: a report of CI may show no more than the end."""
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def cases_of(report):
    """(passed, failed) of one GoogleTest report."""
    run = report.get("tests", 0) - report.get("disabled", 0)
    failed = report.get("failures", 0) + report.get("errors", 0)
    skipped = sum(test.get("result") == "SKIPPED" for suite in report.get("testsuites", []) for test in suite.get("testsuite", []))
    return run - failed - skipped, failed


def failures_of(report):
    """The failed cases of one GoogleTest report, as text."""
    for suite in report.get("testsuites", []):
        for test in suite.get("testsuite", []):
            told = [failure.get("failure", "") for failure in test.get("failures", [])]
            if told:
                yield "\n".join([f"{suite.get('name')}.{test.get('name')} ({test.get('time')})", *told])


def main(directory):
    reports = {path.stem: json.loads(path.read_text()) for path in sorted((directory / "cases").glob("*.json"))}
    passed = failed = 0
    for test in ElementTree.parse(directory / "ctest.xml").getroot().iter("testcase"):
        name = test.get("name")
        is_failed = test.get("status") != "run"
        case_passed, case_failed = cases_of(reports[name]) if name in reports else (0 if is_failed else 1, 0)
        if is_failed and case_failed == 0:
            case_failed = 1
            output = (test.findtext("system-out") or "").splitlines()
            print("\n".join([f"{name}: {test.get('status')}", *output[-40:]]))
        for text in failures_of(reports.get(name, {})):
            print(text)
        passed += case_passed
        failed += case_failed
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
