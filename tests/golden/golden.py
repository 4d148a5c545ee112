#!/usr/bin/env python3
"""Runs finwait and compares all that it says with what is kept here. A TAP producer.

    golden.py [--update] FINWAIT views [NAME...]     the cases of the file `cases`
    golden.py [--update] FINWAIT docs FILE.md...     the examples in documents
    golden.py [--update] FINWAIT findings            what `diagnose` says of every capture of pcaps/

A line of `cases` is `name | arguments`: run in pcaps/, compared with name.expected. Before the
arguments, `@80` runs it in a terminal of 80 columns, NAME=VALUE sets the environment, and
`2>/dev/null` leaves standard error out. An expected
file holds standard output, then, after `--- stderr`, standard error if there was any, then
`--- exit N` unless N is 0.

An example in a document is a block ```console that begins with `$ finwait`: a command of the shell,
run in the root of the project, and its output. `...` alone on a line stands for any lines.

A line of `findings.tsv` is a capture, the kinds of findings in it (with whose they are, where the kind
has a side) or -, and why. A recording over IPv6 (NAME-6) has the line of NAME. Captures that
pcaps/built/build.py makes are made again, and compared.

--update writes what finwait says now. Look at the difference before you keep it.
"""
import difflib
import gzip
import json
import os
import pathlib
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import fcntl
import termios

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TIMEOUT_S = 60


def environment(finwait, settings):
    result = {
        "PATH": f"{finwait.parent}:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "HOME": "/nonexistent",
        # What a sanitizer finds must not look like a status of finwait's.
        "ASAN_OPTIONS": "exitcode=99",
        "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99",
    }
    result.update(settings)
    return result


def run_piped(arguments, cwd, env):
    done = subprocess.run(arguments, cwd=cwd, env=env, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.stdout, done.stderr, done.returncode


def run_in_terminal(arguments, cwd, env, columns):
    """Standard output is a terminal; standard error is not, so that they stay apart."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(arguments, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=slave,
                               stderr=subprocess.PIPE)
    os.close(slave)
    text = b""
    while select.select([master], [], [], TIMEOUT_S)[0]:
        try:
            part = os.read(master, 65536)
        except OSError:  # EIO: the other side has closed
            break
        if not part:
            break
        text += part
    _, errors = process.communicate(timeout=TIMEOUT_S)
    os.close(master)
    return text.replace(b"\r\n", b"\n"), errors, process.returncode


def describe(output, errors, status):
    text = output.decode("utf-8", "backslashreplace")
    if errors:
        text += "--- stderr\n" + errors.decode("utf-8", "backslashreplace")
    if status != 0:
        text += f"--- exit {status}\n"
    return text


class Results:
    """What TAP wants to know."""

    def __init__(self):
        self.count = self.failed = 0

    def report(self, name, difference):
        self.count += 1
        if difference:
            self.failed += 1
            print(f"not ok {self.count} - {name}")
            for line in difference:
                print("# " + line.rstrip("\n"))
        else:
            print(f"ok {self.count} - {name}")
        sys.stdout.flush()

    def finish(self):
        print(f"1..{self.count}")
        return 1 if self.failed or self.count == 0 else 0


def difference(expected, got, name):
    return list(difflib.unified_diff(expected.splitlines(True), got.splitlines(True),
                                     f"{name} expected", f"{name} now"))


# -------------------------------------------------------------------------------------- views --

def read_cases(names):
    for number, line in enumerate((HERE / "cases").read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, bar, arguments = line.partition("|")
        if not bar:
            sys.exit(f"cases:{number}: no |")
        name = name.strip()
        if names and name not in names:
            continue
        yield name, shlex.split(arguments)


def run_case(finwait, words):
    columns, settings, with_errors = 0, {}, True
    while words and re.match(r"@\d+$|[A-Z_]+=|2>/dev/null$", words[0]):
        if words[0].startswith("@"):
            columns = int(words[0][1:])
        elif words[0].startswith("2>"):
            with_errors = False
        else:
            name, _, value = words[0].partition("=")
            settings[name] = value
        words = words[1:]
    env = environment(finwait, settings)
    arguments = [str(finwait)] + words
    if columns:
        output, errors, status = run_in_terminal(arguments, ROOT / "pcaps", env, columns)
    else:
        output, errors, status = run_piped(arguments, ROOT / "pcaps", env)
    return describe(output, errors if with_errors else b"", status)


def check_views(finwait, names, update):
    results = Results()
    for name, words in read_cases(names):
        path = HERE / f"{name}.expected"
        got = run_case(finwait, words)
        if update:
            path.write_text(got, newline="")
        if not path.exists():
            results.report(name, [f"{path.name} is not there; --update writes it"])
            continue
        with open(path, newline="") as file:
            results.report(name, difference(file.read(), got, name))
    return results.finish()


# --------------------------------------------------------------------------------------- docs --

BLOCK = re.compile(r"```console\n(\$ finwait[^\n]*)\n(.*?)```\n", re.DOTALL)


def matches(expected, got):
    """`...` alone on a line stands for any lines."""
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", expected, flags=re.MULTILINE)]
    return re.fullmatch(r"(?:.*\n)*?".join(parts), got) is not None


def check_docs(finwait, paths, update):
    results = Results()
    env = environment(finwait, {})

    for path in map(pathlib.Path, paths):
        text = path.read_text()

        def check(block):
            command, expected = block.group(1), block.group(2)
            got = describe(*run_piped(["sh", "-c", command[2:]], ROOT, env))
            good = matches(expected, got)
            name = f"{path.name}: {command[2:]}".replace("#", "\\#")
            if update and not good:
                expected = got
            results.report(name, [] if update or good else difference(expected, got, path.name))
            return f"```console\n{command}\n{expected}```\n"

        changed = BLOCK.sub(check, text)
        if update and changed != text:
            path.write_text(changed)
    return results.finish()


# ----------------------------------------------------------------------------------- findings --

def find(finwait, path):
    arguments = [str(finwait), "diagnose", "--json", "--checksum", "-r", str(path)]
    output, errors, status = run_piped(arguments, ROOT, environment(finwait, {}))
    if status not in (0, 4):
        return f"exit {status}: {errors.decode()}"
    records = [json.loads(line) for line in output.splitlines()]
    kinds = [record["kind"] + (f"({record['side']})" if record["side"] else "")
             for record in records if record["type"] == "finding"]
    return " ".join(kinds) or "-"


def check_findings(finwait, update):
    results = Results()
    table = HERE / "findings.tsv"
    lines = [line.split("\t") for line in table.read_text().splitlines()]
    rows = {line[0]: line for line in lines if not line[0].startswith("#")}
    used = set()
    for path in sorted((ROOT / "pcaps").rglob("*.pcap*")):
        name = str(path.relative_to(ROOT / "pcaps"))
        row = name.replace("-6.pcap", ".pcap")
        row = row if row in rows else name
        got = find(finwait, path)
        if update and name == row:
            rows.setdefault(name, [name, got, "?"])[1] = got
        used.add(row)
        expected = rows.get(row, [row, "(no line in findings.tsv)"])[1]
        results.report(f"findings in {name}", difference(expected + "\n", got + "\n", name)
                       if expected != got else [])
    for name in sorted(set(rows) - used):
        results.report(f"findings in {name}", ["there is no such capture"])
    for path in sorted((ROOT / "pcaps/built").glob("*.pcap*")):
        got = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        results.report(f"{path.name} is what build.py makes",
                       [] if got == built(path.name) else ["run pcaps/built/build.py"])
    if update:
        head = [line for line in lines if line[0].startswith("#")]
        table.write_text("".join("\t".join(line) + "\n"
                                 for line in head + [rows[name] for name in sorted(rows)]))
    return results.finish()


def built(name):
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(ROOT / "pcaps/built"))
    import build
    return build.build(name)


def main():
    arguments = sys.argv[1:]
    update = "--update" in arguments
    arguments = [argument for argument in arguments if argument != "--update"]
    if len(arguments) < 2 or arguments[1] not in ("views", "docs", "findings"):
        sys.exit(__doc__)
    finwait = pathlib.Path(arguments[0]).resolve()
    if arguments[1] == "views":
        return check_views(finwait, arguments[2:], update)
    if arguments[1] == "findings":
        return check_findings(finwait, update)
    return check_docs(finwait, arguments[2:], update)


if __name__ == "__main__":
    sys.exit(main())
