#!/usr/bin/env python3
"""count_tests.py FOLDER...: sums the reports of all test runs; the last line is "N passed, N failed, N skipped".

A folder holds any of: `ctest.junit` (ctest), beside it one GoogleTest report NAME.xml per ctest NAME, whose cases are
counted instead of the ctest itself; other *.xml (pytest); `steps` (lines "passed NAME" or "failed NAME").
A program that crashed, leaked, or failed after its last case counts as one failed test. Exit status 1 unless every
test passed or was skipped, and at least one passed.
"""
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    not_run = case.find("skipped") is not None or case.get("result") in ("skipped", "suppressed")
    return "skipped" if not_run or case.get("status") in ("disabled", "notrun") else "passed"


def ctest_outcome(case):
    """A ctest that was not run counts as failed (its program is missing), unless it asked to be skipped."""
    skipped = case.find("skipped")
    if case.get("status") == "notrun":
        return "skipped" if skipped is not None and "SKIP_" in skipped.get("message", "") else "failed"
    return outcome(case)


def test_cases(path):
    """The testcase elements of a JUnit or GoogleTest report; None if it is missing or broken off."""
    try:
        return list(ET.parse(path).getroot().iter("testcase"))
    except (ET.ParseError, OSError):
        return None


def report_cases(path):
    cases = test_cases(path)
    if cases is None:
        return [(f"{path.name}: broken report", "failed")]
    return [(f"{case.get('classname', '')}.{case.get('name')}", outcome(case)) for case in cases]


def ctest_cases(folder):
    """The cases of one ctest run, and the report files that belong to it."""
    tests = test_cases(folder / "ctest.junit")
    if not tests:
        return [("ctest: no tests, or a broken report", "failed")], set()
    cases, used = [], set()
    for test in tests:
        name, result = test.get("name"), ctest_outcome(test)
        report = folder / f"{name}.xml"
        inner = report_cases(report) if report.exists() else [(name, result)]
        if result == "failed" and not any(o == "failed" for _, o in inner):
            inner.append((f"{name}: failed outside its cases", "failed"))
        cases += inner
        used.add(report)
    return cases, used


def folder_cases(folder):
    cases, used = [], set()
    if any(folder.glob("ctest.junit")):
        cases, used = ctest_cases(folder)
    for path in sorted(set(folder.glob("*.xml")) - used):
        cases += report_cases(path)
    if (folder / "steps").exists():
        for line in (folder / "steps").read_text(encoding="utf-8").splitlines():
            result, _, name = line.partition(" ")
            cases.append((name, result))
    return cases


def main():
    total = Counter()
    for folder in map(Path, sys.argv[1:]):
        for name, result in folder_cases(folder):
            total[result] += 1
            if result == "failed":
                print(f"FAILED {folder}: {name}")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
