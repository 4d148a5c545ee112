#!/usr/bin/env python3
"""What can be checked without running the program: headers, symbols, documents, formatting.

    checks.py SOURCE_ROOT SHARED_LIBRARY BUILD_ROOT COMPILER...        TAP on stdout
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT, LIBRARY, BUILD = (os.path.abspath(path) for path in sys.argv[1:4])
COMPILER = sys.argv[4:]
TESTS = []
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]


class Skip(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as stream:
        return stream.read()


def files(*patterns):
    """Paths under the source root, sorted."""
    found = []
    for pattern in patterns:
        found += glob.glob(os.path.join(ROOT, pattern), recursive=True)
    return sorted(found)


def relative(path):
    return os.path.relpath(path, ROOT)


def tool(*names):
    for name in names:
        if shutil.which(name):
            return name
    raise Skip(f"{' or '.join(names)} is not installed")


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **more)


def compile_alone(compiler, language, standard, header):
    """What the compiler says of a file that includes nothing but the header."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "alone" + language)
        with open(source, "w", encoding="utf-8") as stream:
            stream.write(f'#include "{header}"\n')
        done = run(*compiler, f"-std={standard}", *WARNINGS, "-D_GNU_SOURCE", f"-I{ROOT}/include",
                   f"-I{ROOT}/src", f"-I{BUILD}", source)
    return [] if done.returncode == 0 else [f"{header}:"] + done.stderr.splitlines()


@test
def the_public_header_compiles_alone_in_c():
    return [line for standard in ("c99", "c11", "gnu17")
            for line in compile_alone(COMPILER, ".c", standard, "finwait/finwait.h")]


@test
def the_public_header_compiles_alone_in_cpp():
    compiler = tool("c++", "g++", "clang++")
    return [line for standard in ("c++11", "c++17")
            for line in compile_alone([compiler], ".cc", standard, "finwait/finwait.h")]


@test
def every_header_of_our_own_compiles_alone():
    return [line for path in files("src/*.h")
            for line in compile_alone(COMPILER, ".c", "gnu17", os.path.basename(path))]


@test
def every_header_is_guarded_by_its_name():
    wrong = []
    for path in files("src/*.h", "include/finwait/*.h"):
        guard = re.search(r"^#ifndef (\w+)\n#define \1$", read(path), re.MULTILINE)
        name = os.path.basename(path).replace(".", "_").upper()
        if not guard or not guard.group(1).endswith(name):
            wrong.append(f"{relative(path)}: guard is {guard.group(1) if guard else 'missing'}")
    return wrong


@test
def the_installed_library_shows_names_of_the_public_header_only():
    done = run(tool("nm"), "-D", "--defined-only", LIBRARY)
    names = [line.split()[-1] for line in done.stdout.splitlines()]
    if not names:
        return [f"nm finds no symbol in {LIBRARY}", done.stderr]
    header = read("include", "finwait", "finwait.h")
    wrong = [f"{name} is exported" for name in names
             if not name.startswith("fw_") and not name.startswith(("__asan", "__odr", "__ubsan"))]
    wrong += [f"{name} is exported, and not in the public header" for name in names
              if name.startswith("fw_") and not re.search(rf"\b{name}\(", header)]
    declared = set(re.findall(r"\b(fw_\w+)\([^)]*\)?[^;{]*;", re.sub(r"/\*.*?\*/", "", header,
                                                                 flags=re.DOTALL)))
    wrong += [f"{name} is declared, and not exported" for name in sorted(declared - set(names))]
    return wrong


@test
def links_of_documents_lead_somewhere():
    wrong = []
    for path in files("*.md", "docs/*.md", "examples/*.md", "pcaps/*.md", "tests/**/*.md"):
        text = re.sub(r"```.*?```", "", read(path), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            place = os.path.join(os.path.dirname(path), name) if name else path
            if not os.path.exists(place):
                wrong.append(f"{relative(path)}: {target} is not there")
            elif anchor and anchor not in anchors(place):
                wrong.append(f"{relative(path)}: {target}: no such heading")
    return wrong


def anchors(path):
    headings = re.findall(r"^#+ (.+)$", read(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@test
def every_document_is_linked_from_another():
    texts = {path: read(path) for path in files("*.md", "docs/*.md")}
    wrong = []
    for path in files("docs/*.md", "docs/*.1"):
        name = os.path.basename(path)
        if not any(name in text for other, text in texts.items() if other != path):
            wrong.append(f"{relative(path)} is linked from nowhere")
    return wrong


@test
def the_manual_page_is_clean():
    page = os.path.join(ROOT, "docs", "finwait.1")
    if shutil.which("mandoc"):
        done = run("mandoc", "-T", "lint", "-W", "warning", page)
        return [] if done.returncode == 0 else done.stdout.splitlines()
    done = run(tool("groff"), "-man", "-Tutf8", "-ww", "-z", page)
    return done.stderr.splitlines()


@test
def the_manual_page_and_the_help_know_every_option():
    table = re.search(r"option_row rows\[\] = \{(.*?)\n\};", read("src", "options.c"), re.DOTALL)
    page = read("docs", "finwait.1").replace("\\-", "-")
    wrong = []
    for letter, name in re.findall(r"\{ OPT_\w+, ('.'|0), (NULL|\"[^\"]+\"), ", table.group(1)):
        if letter != "0" and letter != "'w'" and f"-{letter[1]}" not in page:
            wrong.append(f"-{letter[1]} is not in docs/finwait.1")
        if name != "NULL" and f"--{name[1:-1]}" not in page and name != '"list-interfaces"':
            wrong.append(f"--{name[1:-1]} is not in docs/finwait.1")
    return wrong


@test
def the_version_is_the_same_everywhere():
    version = re.search(r"version: '([\d.]+)'", read("meson.build")).group(1)
    wrong = []
    if f'"finwait {version}"' not in read("docs", "finwait.1"):
        wrong.append(f"docs/finwait.1 is not of {version}")
    if f"## {version}" not in read("CHANGES.md"):
        wrong.append(f"CHANGES.md says nothing of {version}")
    return wrong


@test
def sources_are_formatted():
    formatter = tool("clang-format")
    version = re.search(r"version (\d+)", run(formatter, "--version").stdout)
    if not version or int(version.group(1)) != 14:
        raise Skip("clang-format 14 decides; other versions differ in details")
    wrong = []
    for path in files("include/**/*.h", "src/*.[ch]", "tests/**/*.[ch]"):
        clean = run(formatter, "--dry-run", "-Werror", path).returncode == 0
        if not clean:
            wrong.append(f"clang-format -i {relative(path)}")
    return wrong


@test
def scripts_are_clean():
    checker = tool("shellcheck")
    done = run(checker, *files("dev", ".ci/run", "examples/*.sh", "tests/**/*.sh"))
    return done.stdout.splitlines()


def main():
    print(f"TAP version 13\n1..{len(TESTS)}")
    for number, function in enumerate(TESTS, 1):
        name = function.__name__.replace("_", " ")
        try:
            wrong = function()
        except Skip as reason:
            print(f"ok {number} {name} # SKIP {reason}")
            continue
        print(f"{'not ok' if wrong else 'ok'} {number} {name}")
        for line in wrong:
            print(f"# {line}")


if __name__ == "__main__":
    main()
