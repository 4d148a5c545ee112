#!/usr/bin/env python3
"""Counts the single tests in meson's test log and closes with `N passed, N failed, N skipped`.

A binary of Check counts as many tests as it ran, a TAP producer as many as it reported, any other as
one. What was skipped is listed with its reason. The exit status is not 0 if anything failed, nothing
ran, or meson itself was not satisfied.
"""
import json
import re
import sys

CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.MULTILINE)
TAP = re.compile(r"^(not )?ok\b *\d*(.*)$", re.MULTILINE)
TAP_SKIP = re.compile(r"#\s*skip\S*\s*(.*)$", re.IGNORECASE)
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.reasons = []


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def count_check(text, count):
    for checks, failures, errors in CHECK.findall(text):
        bad = int(failures) + int(errors)
        count.failed += bad
        count.passed += int(checks) - bad


def count_tap(text, count):
    for bad, rest in TAP.findall(text):
        skip = TAP_SKIP.search(rest)
        if skip:
            count.skipped += 1
            count.reasons.append(skip.group(1) or "no reason given")
        elif bad:
            count.failed += 1
        else:
            count.passed += 1


def count_test(entry):
    """The counts of one entry of the log."""
    text = entry.get("stdout") or ""
    count = Count()
    if entry["result"] == "SKIP" and not TAP.search(text):
        count.skipped = 1
        count.reasons.append(last_line(text + "\n" + (entry.get("stderr") or "")))
        return count
    if CHECK.search(text):
        count_check(text, count)
    elif TAP.search(text):
        count_tap(text, count)
    elif COUNTS.search(text):
        for passed, failed, skipped in COUNTS.findall(text)[-1:]:
            count.passed, count.failed, count.skipped = int(passed), int(failed), int(skipped)
    elif entry["result"] == "OK":
        count.passed = 1
    # It crashed, ran out of time, or broke off: that is a failure beside what it counted.
    if entry["result"] not in ("OK", "EXPECTEDFAIL", "SKIP") and count.failed == 0:
        count.failed += 1
    return count


def print_failure(entry):
    print(f"--- {entry['name']}: {entry['result']} (exit status {entry.get('returncode')})")
    for stream in ("stdout", "stderr"):
        text = (entry.get(stream) or "").rstrip()
        if text:
            lines = text.splitlines()
            if len(lines) > 120:
                lines = lines[:60] + [f"... {len(lines) - 120} lines ..."] + lines[-60:]
            print("\n".join(line if len(line) <= 300 else line[:300] + "..." for line in lines))


def main():
    path, status = sys.argv[1], int(sys.argv[2])
    total = Count()
    try:
        with open(path, encoding="utf-8") as log:
            entries = [json.loads(line) for line in log if line.strip()]
    except OSError as error:
        print(f"no test ran: {error}")
        entries = []
    for entry in entries:
        count = count_test(entry)
        if count.failed:
            print_failure(entry)
        name = entry["name"].split(" / ")[-1]
        print(f"{name:28} {count.passed:6} passed"
              + (f", {count.failed} failed" if count.failed else "")
              + (f", {count.skipped} skipped" if count.skipped else ""))
        for reason in count.reasons:
            print(f"{'':28}   skipped: {reason}")
        total.passed += count.passed
        total.failed += count.failed
        total.skipped += count.skipped
    if (not entries or status) and not total.failed:
        print(f"meson test ended with status {status}")
        total.failed += 1
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
