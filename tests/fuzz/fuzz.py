#!/usr/bin/env python3
"""Fuzzes finwait's layers with libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer.

    ./dev fuzz                      names the targets
    ./dev fuzz TARGET [TIME]        one, for TIME of a processor (60s by default; 90, 90s, 10m, 1h)
    ./dev fuzz all [TIME]           each in its turn, TIME each
    ./dev fuzz corpora [ARGS]       the program over all captures of $FINWAIT_CAPTURES (or pcaps/), whole,
                                    cut at 64 places, mutated 200 times
    ./dev fuzz keep TARGET          keeps in tests/fuzz/corpus what found more than what is there

What was learned stays in build-fuzz/corpus/TARGET and is where the next run begins. An input that
breaks something is written to build-fuzz/found; run it again with
build-fuzz/tests/fuzz/fuzz_TARGET FILE, and keep it in tests/fuzz/corpus/TARGET with the fix.
"""
import glob
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.join(ROOT, os.environ.get("FINWAIT_BUILD_FUZZ", "build-fuzz"))
KEPT = os.path.join(ROOT, "tests", "fuzz", "corpus")
KEPT_INPUTS, KEPT_BYTES = 64, 4096  # of a target, and of an input: they are part of the project
LONGEST = {"tracker": 2000, "capture": 65536, "program": 65536, "decode": 2048, "decompress": 16384}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


def die(text):
    sys.exit(f"fuzz: {text}")


def targets():
    files = glob.glob(os.path.join(ROOT, "tests", "fuzz", "fuzz_*.c"))
    return sorted(re.sub(r"^fuzz_|\.c$", "", os.path.basename(path)) for path in files)


def seconds(text):
    match = re.fullmatch(r"(\d+)([smh]?)", text)
    if not match:
        die(f"{text}: not a time such as 90s, 10m, 1h")
    return int(match.group(1)) * {"": 1, "s": 1, "m": 60, "h": 3600}[match.group(2)]


def quietly(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)
    if done.returncode:
        die(f"{' '.join(command)} failed\n{done.stdout}")


def build(*names):
    if not shutil.which("clang"):
        die("needs clang with libFuzzer (Debian: clang libclang-rt-dev)")
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        quietly("meson", "setup", BUILD, "-Dfuzz=true", "-Db_sanitize=address,undefined",
                "-Db_lundef=false", cwd=ROOT, env=dict(os.environ, CC="clang"))
    quietly("ninja", "-C", BUILD, *(f"tests/fuzz/{name}" for name in names))


def program(name):
    return os.path.join(BUILD, "tests", "fuzz", name)


def folder(*names):
    path = os.path.join(BUILD, *names)
    os.makedirs(path, exist_ok=True)
    return path


def captures():
    """The project's own, small ones first."""
    found = glob.glob(os.path.join(ROOT, "pcaps", "**", "*.pcap*"), recursive=True)
    return sorted(found, key=lambda path: (os.path.getsize(path), path))


def read(*path):
    with open(os.path.join(ROOT, *path), "rb") as stream:
        return stream.read()


def documents():
    return "".join(read(os.path.relpath(path, ROOT)).decode()
                   for path in [os.path.join(ROOT, "README.md")] +
                   sorted(glob.glob(os.path.join(ROOT, "docs", "*.md"))))


def frames(path, most=3):
    """The first frames of a pcap file that this machine's own byte order wrote."""
    data, at = read(path), 24
    link = struct.unpack_from("<I", data, 20)[0] if len(data) >= 24 else 0
    while data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") and at + 16 <= len(data) and most:
        captured = struct.unpack_from("<I", data, at + 8)[0]
        yield link, data[at + 16:at + 16 + captured]
        at, most = at + 16 + captured, most - 1


def packed(path):
    for command in (["gzip", "-nc"], ["zstd", "-qc"], ["lz4", "-qc"]):
        if shutil.which(command[0]):
            yield b"\x05\x05" + subprocess.run(command + [path], check=True,
                                               capture_output=True).stdout


LINK_TYPES = [1, 0, 9, 12, 14, 50, 51, 101, 104, 108, 109, 113, 166, 204, 228, 229, 239, 276, 147]


def seeds(target):
    """Inputs from the project's own captures and documents: (name, bytes)."""
    small = [path for path in captures() if os.path.getsize(path) <= 16384]
    if target in ("capture", "program"):
        for path in small:
            yield os.path.basename(path), (b"" if target == "capture" else bytes(8)) + read(path)
    elif target in ("decode", "bpf"):
        for path in small[::4]:
            for number, (link, frame) in enumerate(frames(path)):
                head = bytes([LINK_TYPES.index(link), 1, 0]) if target == "decode" else \
                    b"tcp port 80 or vlan\0" + bytes([link & 255])
                yield f"{os.path.basename(path)}-{number}", head + frame
    elif target == "decompress":
        for path in small[::20]:
            for number, content in enumerate(packed(path)):
                yield f"{os.path.basename(path)}-{number}", content
    elif target == "filter":
        for number, text in enumerate(re.findall(r"-Y '([^'\n]+)'", documents())):
            yield f"{number}", text.encode()
    elif target == "options":
        for number, line in enumerate(re.findall(r"^\$ finwait (.+)$", documents(), re.M)):
            yield f"{number}", "\0".join(shlex.split(line, comments=True)).encode()
    elif target == "expect":
        for number, text in enumerate(re.findall(r"```expect [^\n]*\n(.*?)```", documents(), re.S)):
            yield f"{number}", text.encode()
    elif target == "golden":
        text = read("tests", "golden", "leak.golden")
        yield "leak", text + b"\0" + text.replace(b"1", b"2", 3)


def seed(target, corpus):
    """Those that there are already stay."""
    if target == "tracker":
        build("seed_tracker")
        for path in captures():
            name = os.path.join(corpus, "seed-" + os.path.basename(path))
            if not os.path.exists(name):
                subprocess.run([program("seed_tracker"), path, name], check=True)
    for name, content in seeds(target):
        with open(os.path.join(corpus, "seed-" + name), "wb") as stream:
            stream.write(content)


def processor_seconds(process):
    """What it has taken so far; none once it has ended."""
    try:
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def engine(target, *arguments, most=None):
    """Runs it until it ends, or has had so many seconds of a processor: on a machine that others
    use, the clock on the wall says little."""
    interrupted = 72  # libFuzzer's status for SIGINT
    with subprocess.Popen([program(f"fuzz_{target}"), "-timeout=30", "-rss_limit_mb=3000",
                           "-entropic=0", *arguments],
                          env=dict(os.environ, **{key: os.environ.get(key, value)
                                                  for key, value in SANITIZERS.items()})) as run:
        while run.poll() is None:
            if most and processor_seconds(run) >= most:
                run.send_signal(signal.SIGINT)
                return 0 if run.wait() == interrupted else run.returncode
            time.sleep(0.2)
    return run.returncode


def fuzz(target, most):
    build(f"fuzz_{target}")
    corpus, found = folder("corpus", target), folder("found")
    seed(target, corpus)
    arguments = [f"-max_len={LONGEST.get(target, 4096)}",
                 f"-artifact_prefix={found}/{target}-", "-print_final_stats=1"]
    words = os.path.join(ROOT, "tests", "fuzz", "dictionaries", target + ".dict")
    if os.path.exists(words):
        arguments.append(f"-dict={words}")
    kept = [path for path in [os.path.join(KEPT, target)] if os.path.isdir(path)]
    return engine(target, *arguments, corpus, *kept, most=most)


def keep(target):
    """Adds the small inputs that reach what the kept ones do not, smallest first."""
    build(f"fuzz_{target}")
    kept = os.path.join(KEPT, target)
    os.makedirs(kept, exist_ok=True)
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as merged:
        for path in glob.glob(os.path.join(BUILD, "corpus", target, "*")):
            if os.path.getsize(path) <= KEPT_BYTES:
                shutil.copy(path, small)
        engine(target, "-merge=1", merged, kept, small)
        new = sorted(glob.glob(os.path.join(merged, "*")), key=os.path.getsize)
        room = KEPT_INPUTS - len(os.listdir(kept))
        # From all sizes: the smallest alone reach little.
        chosen = new[::max(1, -(-len(new) // max(1, room)))][:max(0, room)]
        for path in chosen:
            shutil.copy(path, os.path.join(kept, os.path.basename(path)[:12]))
    print(f"{kept}: {len(os.listdir(kept))} inputs")


def corpora(arguments):
    build("corpora")
    environment = dict(os.environ, **{key: os.environ.get(key, value)
                                      for key, value in SANITIZERS.items()})
    return subprocess.run([program("corpora"), os.path.join(ROOT, "pcaps"), *arguments],
                          check=False, env=environment).returncode


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        print("\ntargets: " + " ".join(targets()))
        return 0
    if arguments[0] == "keep":
        for target in arguments[1:]:
            keep(target)
        return 0
    if arguments[0] == "corpora":
        return corpora(arguments[1:])
    most = seconds(arguments[1]) if len(arguments) > 1 else 60
    chosen = targets() if arguments[0] == "all" else [arguments[0]]
    for target in chosen:
        if target not in targets():
            die(f"no target {target}; there are: {' '.join(targets())}")
    broken = [target for target in chosen if fuzz(target, most) != 0]
    if broken:
        print(f"broken: {' '.join(broken)}; see {os.path.join(BUILD, 'found')}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
