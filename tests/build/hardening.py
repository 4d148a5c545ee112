#!/usr/bin/env python3
"""Looks at the program and the library that were built: are they hardened as meson.build asks?

    hardening.py FINWAIT SHARED_LIBRARY STATIC_LIBRARY FORTIFIED        TAP on stdout

FORTIFIED is false where _FORTIFY_SOURCE has no effect (without optimisation) or is left out for the
sanitizers' sake.
"""
import platform
import re
import shutil
import subprocess
import sys

PROGRAM, SHARED, STATIC = sys.argv[1:4]
FORTIFIED = sys.argv[4] == "true"


class Skip(Exception):
    pass


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], capture_output=True, text=True,
                          check=True).stdout


def segments(path, kind):
    return [line.split() for line in readelf("-l", path).splitlines() if line.split()[:1] == [kind]]


def imported(path):
    return set(re.findall(r"\bUND\s+(\w+)", readelf("--dyn-syms", path)))


def the_program_lies_at_a_random_address():
    assert re.search(r"Type:\s+DYN", readelf("-h", PROGRAM)), "it is no PIE"
    assert re.search(r"FLAGS_1.*\bPIE\b", readelf("-d", PROGRAM)), "it is no PIE"


def no_stack_can_be_executed():
    for path in PROGRAM, SHARED:
        flags = [row[-2] for row in segments(path, "GNU_STACK")]
        assert flags == ["RW"], f"{path}: GNU_STACK is {flags}"


def addresses_of_functions_are_read_only():
    for path in PROGRAM, SHARED:
        assert segments(path, "GNU_RELRO"), f"{path}: no RELRO"
        assert re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", readelf("-d", path)), \
            f"{path}: functions are bound when they are called first"


def nothing_is_both_written_and_executed():
    for path in PROGRAM, SHARED:
        both = [row for row in segments(path, "LOAD") if "W" in row[6:-1] and "E" in row[6:-1]]
        assert not both, f"{path}: {both}"


def stacks_have_canaries():
    for path in PROGRAM, SHARED:
        assert "__stack_chk_fail" in imported(path), f"{path}: no -fstack-protector-strong"


def copies_of_a_known_size_are_checked():
    if not FORTIFIED:
        raise Skip("this build has no optimisation, or has sanitizers")
    if "GLIBC" not in readelf("-V", PROGRAM):
        raise Skip("this C library has no _FORTIFY_SOURCE")
    checked = {name for name in imported(PROGRAM) if name.endswith("_chk")}
    assert "__memcpy_chk" in checked or "__snprintf_chk" in checked, f"only {checked}"


def branches_land_where_they_may():
    """Of our own objects: the whole program has it only where the C library's start files do."""
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Skip("CET is of x86-64 (-mbranch-protection of ARM is not asked for)")
    notes = readelf("-n", STATIC)
    objects = len(re.findall(r"^File: ", notes, re.M))
    marked = len(re.findall(r"IBT, SHSTK", notes))
    assert objects and marked == objects, f"{marked} of {objects} objects"


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == "__main__" and
         name[0].islower() and name not in ("readelf", "segments", "imported")]

print(f"TAP version 13\n1..{len(TESTS)}")
failed = False
for number, check in enumerate(TESTS, 1):
    title = check.__name__.replace("_", " ")
    try:
        if not shutil.which("readelf"):
            raise Skip("readelf (binutils) is not installed")
        check()
        print(f"ok {number} {title}")
    except Skip as reason:
        print(f"ok {number} {title} # SKIP {reason}")
    except AssertionError as error:
        failed = True
        print(f"not ok {number} {title}\n# {error}")
sys.exit(failed)
