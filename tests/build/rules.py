#!/usr/bin/env python3
"""Holds src/ to the tables of docs/architecture.md: who may include whom, and what is allowed where.

    rules.py SOURCE_ROOT        TAP on stdout
"""
import fnmatch
import os
import re
import sys

ROOT = os.path.abspath(sys.argv[1])
SOURCE = os.path.join(ROOT, "src")


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def tables(text):
    """Each table of a markdown text as rows of cells, without heading and rule."""
    found, rows = [], []
    for line in text.splitlines() + [""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif rows:
            found.append(rows[2:])
            rows = []
    return found


def quoted(cell):
    return re.findall(r"`([^`]+)`", cell)


def without_comments(text):
    """Code without comments and without what stands in strings; lines stay where they are."""
    def blank(match):
        keep = match.group(0)
        if keep.startswith(('"', "'")):
            return keep[0] + keep[0]
        return re.sub(r"[^\n]", " ", keep)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.DOTALL)


class House:
    def __init__(self):
        steps, limits = tables(read(os.path.join(ROOT, "docs", "architecture.md")))[:2]
        self.steps = {row[1]: {"level": int(row[0]), "files": quoted(row[2]),
                               "may": row[3].split()} for row in steps}
        self.limits = limits
        self.files = sorted(name for name in os.listdir(SOURCE) if name.endswith((".c", ".h")))

    def step_of(self, name):
        for step, row in self.steps.items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in row["files"]):
                return step
        return None

    def unplaced(self):
        return [f"src/{name} is in no row of docs/architecture.md" for name in self.files
                if not self.step_of(name)]

    def upward(self):
        """Rows that may include what is above them."""
        wrong = []
        for step, row in self.steps.items():
            for other in row["may"]:
                if other not in self.steps:
                    wrong.append(f"{step}: there is no step {other}")
                elif self.steps[other]["level"] > row["level"]:
                    wrong.append(f"{step} may include {other}, which is above it")
        return wrong

    def includes(self):
        wrong = []
        for name in self.files:
            step = self.step_of(name)
            text = read(os.path.join(SOURCE, name))
            for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE):
                target = self.step_of(os.path.basename(included))
                if step and target != step and target not in self.steps[step]["may"]:
                    wrong.append(f"src/{name} ({step}) includes {included} ({target})")
        return wrong

    def allowed(self, name, cell):
        places = quoted(cell) + cell.replace("`", " ").split()
        return name in places or self.step_of(name) in places

    def limited(self, row):
        what, found_by, only_in = row
        wrong = []
        for name in self.files:
            if self.allowed(name, only_in):
                continue
            text = read(os.path.join(SOURCE, name))
            code = without_comments(text)
            if found_by.startswith("calls"):
                for word in quoted(found_by):
                    for match in re.finditer(rf"(?<![\w.>])(?:{word})\s*\(", code):
                        wrong.append(self.where(name, code, match, f"calls {word}(): {what}"))
            elif "variables" in found_by:
                wrong += self.variables(name, code)
            else:
                for start in quoted(found_by):
                    for match in re.finditer(re.escape(start), text):
                        wrong.append(self.where(name, text, match, f"{start}: {what}"))
        return wrong

    @staticmethod
    def where(name, text, match, words):
        return f"src/{name}:{text.count(chr(10), 0, match.start()) + 1}: {words}"

    def variables(self, name, code):
        """Variables at file scope, and static ones anywhere, that can be written to."""
        wrong = [self.where(name, code, match, "a variable that outlives a call")
                 for match in re.finditer(r"\bstatic\s+(struct|union|enum)\s*\w*\s*\{", code)]
        pattern = r"^(?P<indent>[ \t]*)(?P<static>static\s+)?(?P<rest>[A-Za-z_][\w \t*]*?[\s*]\w+(?:\[[^\]]*\])*)\s*(?:=|;|,)"
        for match in re.finditer(pattern, code, re.MULTILINE):
            rest, indent, static = match.group("rest"), match.group("indent"), match.group("static")
            if re.match(r"(typedef|extern|return|goto|enum|struct\s+\w+$|union\s+\w+$|else|case|break|continue)\b", rest):
                if not static:
                    continue
            if indent and not static:
                continue
            if re.search(r"\bconst\b(?!.*\*\s*\w)|\*\s*const\b|\bconst\s+\*", rest) or "constexpr" in rest:
                continue
            if re.match(r"const\b", rest) and "*" not in rest:
                continue
            wrong.append(self.where(name, code, match, f"{rest.strip()}: a variable that outlives a call"))
        return wrong


def main():
    house = House()
    checks = [("every file of src belongs to a step", house.unplaced()),
              ("steps are allowed to include downwards only", house.upward()),
              ("files include what their step allows", house.includes())]
    for row in house.limits:
        checks.append((f"{row[0]} only where the table allows it", house.limited(row)))
    print(f"TAP version 13\n1..{len(checks)}")
    for number, (name, wrong) in enumerate(checks, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} {name}")
        for line in wrong:
            print(f"# {line}")


if __name__ == "__main__":
    main()
