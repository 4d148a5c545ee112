#!/usr/bin/env python3
"""The stories: one capture, and what must be said of each connection in it. A TAP producer.

    stories.py FINWAIT TELL

pcaps/stories.pcapng must be, byte for byte, what TELL makes of stories.c; and of each connection
finwait must say what stories.tsv has, decided by RFC 9293 and docs/states.md:

    conn      its number in the capture
    name      of the story, as in stories.c and in the comment at its first packet
    client_state ... cause      keys of its record; - is null
    course    the states of both ends, client/server, after each frame or timer that moved one
    told_by   more that tells it from the others: KEY=VALUE of its record, or note=WORDS that
              `finwait show` has beside one of its packets
    differs   KEY=VALUE where finwait says another thing, and should not: skipped, with what it
              should say

No two stories may be told alike.

    stories.py --make TELL      writes the capture anew
"""
import csv
import ipaddress
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CAPTURE = HERE.parent.parent / "pcaps" / "stories.pcapng"
TABLE = HERE / "stories.tsv"
KEYS = ["client_state", "server_state", "closed_by", "open", "end", "cause"]
FAULTS = ["bad_checksums", "malformed", "truncated", "not_tcp", "fragments", "duplicates"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def rows():
    with open(TABLE, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def told(finwait, capture):
    """The records of the connections by number, each with its course."""
    done = run(finwait, "--json", "-r", capture)
    connections, courses = {}, {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        if record["type"] == "transition":
            frames = courses.setdefault(record["conn"], {})
            at = (record["frame"], record["t"])
            frames[at] = f"{record['client_state']}/{record['server_state']}"
        elif record["type"] == "connection":
            connections[record["conn"]] = record
    for number, record in connections.items():
        record["course"] = " ".join(courses.get(number, {}).values())
        record["family"] = ipaddress.ip_address(record["client_addr"]).version
    return connections, done


def as_text(value):
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def marks(text):
    return dict(mark.split("=", 1) for mark in text.split(";") if mark)


def compare(record, expected):
    wrong = []
    for key, value in expected.items():
        if as_text(record[key]) != value:
            wrong += [f"{key}:", f"  expected {value}", f"  got      {as_text(record[key])}"]
    return wrong


def differences(finwait, row, record):
    """What is told of this connection and not in its row, or the other way round."""
    expected = {key: row[key] for key in KEYS + ["course"]}
    wrong = compare(record, expected | marks(row["differs"]))
    for key, value in (marks(row["told_by"]) | marks(row["differs"])).items():
        if key == "note":
            shown = run(finwait, "show", row["conn"], "-r", CAPTURE).stdout
            if value not in shown:
                wrong += [f"show does not say {value!r}"]
        elif key not in record:
            wrong += [f"{key} is no key of the record"]
        else:
            wrong += compare(record, {key: value})
    return wrong


def main():
    finwait, tell = sys.argv[1:3]
    if finwait == "--make":
        sys.exit(run(tell, CAPTURE).returncode)
    tests = []
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "stories.pcapng"
        done = run(tell, made)
        same = made.exists() and made.read_bytes() == CAPTURE.read_bytes()
    tests.append(("the capture is what its source makes",
                  [] if same else [done.stderr, "to make it again: stories.py --make TELL"]))

    table = rows()
    names = run(tell, "--names").stdout.split("\n")[:-1]
    wrong = [] if names == [row["name"] for row in table] else [f"the source has {names}"]
    tests.append(("every story is in the table, in the order of first packets", wrong))

    alike = {}
    for row in table:
        what = tuple(value for key, value in row.items() if key not in ("conn", "name"))
        alike.setdefault(what, []).append(row["name"])
    tests.append(("no two stories are told alike",
                  [" = ".join(group) for group in alike.values() if len(group) > 1]))

    connections, done = told(finwait, CAPTURE)
    known = {int(row["conn"]) for row in table}
    tests.append(("no connection is without a story",
                  [f"#{number}" for number in sorted(connections) if number not in known]
                  + ([] if done.returncode == 0 else [f"exit {done.returncode}", done.stderr])))
    done = run(finwait, "--json", "-q", "--checksum", "-r", CAPTURE)
    summary = json.loads(done.stdout.splitlines()[-1])
    tests.append(("checksums and headers are right",
                  compare(summary, dict.fromkeys(FAULTS, "0"))))
    for row in table:
        record = connections.get(int(row["conn"]))
        if not record:
            tests.append((row["name"], [f"there is no connection #{row['conn']}"]))
            continue
        tests.append((row["name"], differences(finwait, row, record)))
        should = row | marks(row["told_by"])
        for key, says in marks(row["differs"]).items():
            # Whoever mends it finds differences() failing and takes the mark out.
            tests.append((f"{row['name']} # SKIP {key} is {says}, should be {should[key]}", []))

    print(f"TAP version 13\n1..{len(tests)}")
    for number, (name, lines) in enumerate(tests, 1):
        print(f"{'not ok' if lines else 'ok'} {number} {name}")
        for line in "\n".join(lines).splitlines():
            print(f"# {line}")


if __name__ == "__main__":
    main()
