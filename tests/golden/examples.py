#!/usr/bin/env python3
"""Runs the examples of docs/verify.md. A TAP producer.

    examples.py FINWAIT FILE.md

An example is a line of a block ```expect CAPTURE: an expectation, and after a # what comes of it:
holds or fails. Each line runs alone; then the whole block, which must say the same of each.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BLOCK = re.compile(r"```expect (\S+)\n(.*?)```\n", re.DOTALL)
LEAST = 60


def verify(finwait, capture, text):
    done = subprocess.run([finwait, "verify", "-", "-r", capture, "--format", "json"], input=text,
                          cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    verdicts = [record for record in records if record["type"] == "expectation"]
    return done, verdicts


def main():
    finwait = str(pathlib.Path(sys.argv[1]).resolve())
    count = failed = examples = 0

    def report(name, wrong):
        nonlocal count, failed
        count += 1
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {count} - {name}".replace("#", "\\#"))
        for line in wrong:
            print("# " + line)

    for capture, lines in BLOCK.findall(pathlib.Path(sys.argv[2]).read_text()):
        expected = []
        for line in lines.splitlines():
            examples += 1
            text, _, verdict = line.rpartition("#")
            expected.append(verdict.strip() == "holds")
            if verdict.strip() not in ("holds", "fails"):
                report(line, ["says neither holds nor fails"])
                continue
            done, verdicts = verify(finwait, capture, line + "\n")
            good = (len(verdicts) == 1 and verdicts[0]["holds"] == expected[-1] and
                    done.returncode == (0 if expected[-1] else 1))
            report(f"{capture}: {text.strip()}", [] if good else
                   [f"exit status {done.returncode}"] + (done.stdout + done.stderr).splitlines())
        done, verdicts = verify(finwait, capture, lines)
        got = [verdict["holds"] for verdict in verdicts]
        report(f"{capture}: all of them together", [] if got == expected else [str(got)])
    report(f"there are {LEAST} of them", [] if examples >= LEAST else [f"{examples}"])
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
