#!/usr/bin/env python3
"""Checks the dashboard's pages: nothing that a device wrote may ever be read as markup or run.

Elements are made by dom.js alone. What turns texts into markup or programs, and what a Content-Security-Policy without
'unsafe-inline' would refuse anyway, must not stand in our files. Prints every offending line and fails if there is one.
"""
import os
import re
import sys

FORBIDDEN = {
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|setHTML\w*": "reads a text as markup",
    r"\beval\s*\(|new\s+Function\b|set(?:Timeout|Interval)\s*\(\s*['\"`]|javascript:": "runs a text",
    r"https?://(?!www\.w3\.org/)": "names another host",
    r"localStorage\.setItem\([^,]*(?:key|session|token)": "keeps a secret beyond the tab",
}
INLINE = {r"\sstyle\s*=": "inline style", r"\son\w+\s*=": "inline handler", r"<script(?![^>]*\ssrc=)": "inline script"}
# In texts for people, which say what to open.
ALLOWED = {"http://127.0.0.1", "http://localhost", "https:// pages"}


def violations_of(name, text):
    found = []
    rules = dict(FORBIDDEN)
    if name.endswith(".html"):
        rules.update(INLINE)
    for number, line in enumerate(text.splitlines(), 1):
        checked = line
        for words in ALLOWED:
            checked = checked.replace(words, "")
        for rule, why in rules.items():
            match = re.search(rule, checked)
            if match:
                found.append(f"{name}:{number}: {match.group(0).strip()} {why}")
    return found


def self_test():
    assert violations_of("x.js", "element.innerHTML = text;")
    assert violations_of("x.js", "setTimeout('f()', 1)")
    assert violations_of("x.js", "fetch('https://example.com/')")
    assert violations_of("x.html", '<p style="color: red">')
    assert violations_of("x.html", "<script>f()</script>")
    assert not violations_of("x.html", '<script src="/dashboard/app.js" type="module"></script>')
    assert not violations_of("x.js", "setTimeout(() => f(), 1); element.textContent = text;")
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    folder = os.path.join(sys.argv[1], "server", "dashboard", "web")
    found = []
    files = [name for name in sorted(os.listdir(folder)) if name.endswith((".js", ".html", ".css", ".svg"))]
    for name in files:
        with open(os.path.join(folder, name), encoding="utf-8") as handle:
            found += violations_of(name, handle.read())
    print("\n".join(found) or f"{len(files)} files of the dashboard keep texts texts")
    return 1 if found or len(files) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
