#!/usr/bin/env python3
"""Reads ctest's JUnit file: lists what was skipped and why, what failed and how, and closes with one line of counts.

usage: summarize_tests.py FILE...; exit status 1 when a test failed or none ran.
"""
import collections
import re
import sys
import xml.etree.ElementTree as ElementTree


def reason(output):
    """The text a test gave to GTEST_SKIP, or its last line."""
    match = re.search(r": Skipped\n(.*?)\n*\[  SKIPPED \]", output, re.DOTALL)
    if match and match.group(1).strip():
        return " ".join(match.group(1).split())
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def main(files):
    passed, failed, skipped = 0, [], collections.defaultdict(list)
    for file in files:
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            status, output = case.get("status"), case.findtext("system-out") or ""
            if status == "run":
                passed += 1
            elif status in ("notrun", "disabled") and "NOT_BUILT" not in case.get("name"):
                skipped[reason(output)].append(case.get("name"))
            else:
                failed.append((case.get("name"), output))
    if skipped:
        print("\nSkipped, and why:")
        for why, names in sorted(skipped.items()):
            shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            print(f"  {len(names)} × {why}\n      {shown}")
    for name, output in failed:
        print(f"\nFailed: {name}")
        print("\n".join("  " + line for line in output.rstrip().splitlines()[-40:]))
    print(f"\n{passed} passed, {len(failed)} failed, {sum(map(len, skipped.values()))} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
