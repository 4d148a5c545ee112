"""A strict reader of the text format of Prometheus, for tests.
https://prometheus.io/docs/instrumenting/exposition_formats/"""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:[a-zA-Z_]\w*=\"(?:[^\"\\\n]|\\[\\\"n])*\",?)*)\}})? (\S+)")
LABEL = re.compile(r"([a-zA-Z_]\w*)=\"((?:[^\"\\\n]|\\[\\\"n])*)\"")
UNITS = ("_seconds", "_bytes", "_total", "_info")


def parse(text):
    """{(name, ((label, value), ...)): number}; an AssertionError says what is wrong."""
    assert text.endswith("\n"), "the last line does not end"
    helped, types, values, current = set(), {}, {}, None
    for line in text.splitlines():
        words = line.split(" ", 3)
        if line.startswith("# HELP "):
            assert words[2] not in helped, f"two HELP of {words[2]}"
            assert len(words) == 4 and words[3].endswith("."), f"HELP says nothing: {line}"
            helped.add(words[2])
        elif line.startswith("# TYPE "):
            name = current = words[2]
            assert name in helped and name not in types, f"TYPE without HELP, or twice: {line}"
            assert words[3] in ("counter", "gauge", "histogram"), line
            assert (words[3] == "counter") == name.endswith("_total"), f"{name} is a {words[3]}"
            types[name] = words[3]
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, f"no sample: {line}"
            name, labels, value = sample.group(1), sample.group(2) or "", float(sample.group(3))
            base = name
            if name not in types:
                base = re.sub(r"_(bucket|sum|count)$", "", name)
                assert types.get(base) == "histogram", f"no TYPE: {line}"
            assert base == current, f"{name} stands apart from its TYPE"
            key = name, tuple(LABEL.findall(labels))
            assert key not in values, f"twice: {line}"
            assert value >= 0, line
            values[key] = value
    assert helped == set(types), f"HELP without TYPE: {helped - set(types)}"
    for name, kind in types.items():
        if kind == "histogram":
            check_histogram(values, name)
    return values


def check_histogram(values, name):
    buckets = [(float(labels[0][1]), value) for (sample, labels), value in values.items()
               if sample == name + "_bucket"]
    assert buckets[-1][0] == float("inf") and buckets == sorted(buckets), f"buckets of {name}"
    assert [value for _, value in buckets] == sorted(value for _, value in buckets), name
    assert buckets[-1][1] == values[name + "_count", ()], f"count of {name}"


def total(values, name, **labels):
    return sum(value for (sample, pairs), value in values.items()
               if sample == name and labels.items() <= dict(pairs).items())
