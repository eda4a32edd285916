"""Compares what a command printed with what the page shows.

The page shows real values; what differs from run to run (times, keys, tokens, ids, process ids, durations) is compared
by its form. `...` in the page stands for anything: as a line of its own for any lines, within a line for any text.
"""

import difflib
import re

FORMS = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<time>"),
    (re.compile(r"sig=[A-Za-z0-9%+/=]+"), "sig=<signature>"),
    (re.compile(r"\bse=\d{9,}"), "se=<expiry>"),
    (re.compile(r"[A-Za-z0-9+/]{43}="), "<key>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b(?:[0-9A-F]{2}:){19,31}[0-9A-F]{2}\b"), "<fingerprint>"),
    (re.compile(r"\b[0-9A-F]{40}\b"), "<thumbprint>"),
    (re.compile(r"\b[0-9a-f]{32}\b|\b[0-9A-F]{32}\b|\b[0-9a-f]{16}\b"), "<id>"),
    (re.compile(r"\b\d{18}\b"), "<generation>"),
    (re.compile(r"\b(pid|start_ms|connected_ms|took_ms)=\d+"), r"\1=<n>"),
    (re.compile(r"\bconn=[\d.]+"), "conn=<conn>"),
    (re.compile(r'"?\b(?:MT|Nj|AA|Nz|OT|ND|OD|NT|MD|Mz|Mj)[A-Za-z0-9+/]{6,14}={0,2}"?(?=$|[\s,}])', re.M), "<etag>"),
    (re.compile(r"\bp\d@\d+"), "<place>"),
    (re.compile(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"), "<time>"),
    (re.compile(r"kyanite\.localhost"), "127.0.0.1"),
    (re.compile(r"iothub-ehub-(127|kyanite)\b"), "<entity>"),
]


def normal(text):
    for pattern, form in FORMS:
        text = pattern.sub(form, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def _is_gap(line):
    return line.strip() == "..."


def _of_line(line):
    return ".*?".join(re.escape(part) for part in line.split("..."))


def _pattern(expected):
    lines = [r"(?:.*\n)*?" if _is_gap(line) else _of_line(line) + r"\n" for line in normal(expected).splitlines()]
    return re.compile("".join(lines))


def differs(expected, actual):
    """Nothing when `actual` is what the page shows, else a text that says how not."""
    shown = normal(actual) + "\n"
    if _pattern(expected).fullmatch(shown):
        return None
    return "\n".join(
        difflib.unified_diff(normal(expected).splitlines(), shown.splitlines(), "the page", "the command", lineterm="")
    )


def begins(expected, actual):
    """Whether `actual` so far holds everything that the page shows (for commands that go on).

    In any order: a program hears of a message and of a method on threads of its own. Before the page's first `...` there
    is nothing that it does not show.
    """
    shown = normal(expected).splitlines()
    gap = next((at for at, line in enumerate(shown) if _is_gap(line)), len(shown))
    missing = [re.compile(_of_line(line)) for line in shown if not _is_gap(line)]
    for at, line in enumerate(normal(actual).splitlines()):
        found = next((pattern for pattern in missing if pattern.fullmatch(line)), None)
        if found:
            missing.remove(found)
        elif at < gap:
            return False
    return not missing
