#!/usr/bin/env python3
"""Lets gcc -fanalyzer, clang-tidy (.clang-tidy) and cppcheck look at src/. TAP on stdout.

    lint.py SOURCE_ROOT BUILD_ROOT [TOOL...]

What they find fails, unless lint_exceptions.tsv names it with a reason; an exception that nothing needs
any more is told. Takes minutes: .ci/run does it, `./dev test` does not.
"""
import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

ROOT, BUILD = (os.path.abspath(path) for path in sys.argv[1:3])
FINDING = re.compile(r"^(?:\S*/)?(?P<file>\w+\.[ch]):(?P<line>\d+):\d+: (?:warning|error|portability|"
                     r"performance): (?P<text>.*) \[(?P<check>[\w.,=+-]+)\]$", re.M)


class Skip(Exception):
    pass


def exceptions():
    """(tool, file, check, words of the message) -> reason."""
    path = os.path.join(ROOT, "tests", "build", "lint_exceptions.tsv")
    with open(path, encoding="utf-8") as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream if line[0] not in "#\n"]
    return {tuple(row[:4]): row[4] for row in rows}


def commands():
    """Of each file in src/: the file, and its compiler's arguments."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as stream:
        rows = json.load(stream)
    found = {}
    for row in rows:
        path = os.path.normpath(os.path.join(row["directory"], row["file"]))
        if path.startswith(os.path.join(ROOT, "src") + os.sep):
            found[path] = (row["directory"], shlex.split(row["command"]))
    return found


def run(command, folder=ROOT):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return done.stdout + done.stderr


def each(function, items):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return "".join(pool.map(function, items))


def gcc():
    if "Free Software Foundation" not in run(["cc", "--version"]):
        raise Skip("cc is not gcc")

    # Not leaks: gcc 12 loses sight of what a list keeps. LeakSanitizer sees them, in all tests.
    def analyse(item):
        path, (folder, arguments) = item
        flags = [word for word in arguments[1:] if word.startswith(("-I", "-D", "-std"))]
        return run(["cc", *flags, "-O1", "-fanalyzer", "-Wno-analyzer-malloc-leak",
                    "-Wno-analyzer-file-leak", "-c", path, "-o", "/dev/null"], folder)
    return each(analyse, commands().items())


def clang_tidy():
    def look(item):
        path, (folder, arguments) = item
        flags = [word for word in arguments[1:] if word.startswith(("-I", "-D", "-std"))]
        return run(["clang-tidy", "--quiet", path, "--", *flags], folder)
    return each(look, commands().items())


def cppcheck():
    return run(["cppcheck", "--quiet", "--enable=warning,performance,portability", "--std=c11",
                "--template={file}:{line}:{column}: {severity}: {message} [{id}]", f"-j{os.cpu_count()}",
                "--suppress=missingIncludeSystem", "--suppress=unknownMacro", f"-I{ROOT}/include",
                f"-I{BUILD}", f"{ROOT}/src"])


TOOLS = {"gcc": ("cc", gcc), "clang-tidy": ("clang-tidy", clang_tidy),
         "cppcheck": ("cppcheck", cppcheck)}


def judge(tool, said):
    """What is found and not named, and what is named and not found."""
    named = {key: False for key in exceptions() if key[0] == tool}
    new = []
    for match in FINDING.finditer(said):
        fitting = [key for key in named if key[1] == match["file"] and key[2] == match["check"] and
                   key[3] in match["text"]]
        for key in fitting:
            named[key] = True
        if not fitting:
            new.append(match.group(0))
    return sorted(set(new)), ["\t".join(key[1:]) for key, met in named.items() if not met]


def main():
    chosen = sys.argv[3:] or list(TOOLS)
    failed = False
    print(f"TAP version 13\n1..{len(chosen)}")
    for number, tool in enumerate(chosen, 1):
        program, look = TOOLS[tool]
        try:
            if not shutil.which(program):
                raise Skip(f"{program} is not installed")
            new, unneeded = judge(tool, look())
            failed |= bool(new)
            print(f"{'not ok' if new else 'ok'} {number} {tool} finds nothing that has no name")
            for line in new:
                print(f"# {line}")
            for line in unneeded:
                print(f"# an exception that nothing needs: {line}")
        except Skip as reason:
            print(f"ok {number} {tool} # SKIP {reason}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
