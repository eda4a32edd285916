#!/usr/bin/env python3
"""Makes a C++ source file of the dashboard's files: embed_files.py WEB_FOLDER OUTPUT.

Each file stands there twice, as it is and compressed, with its type and an entity tag made of its content. The output
depends on the contents and names alone. Files of sub-folders are served beside the others, so names must differ.
"""
import gzip
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
}
LINE = 96


def literal(data):
    """Pieces of a string literal; octal escapes of three digits cannot swallow what follows them."""
    plain = {c: chr(c) for c in range(0x20, 0x7F)}
    plain.update({ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("?"): "\\?"})
    for begin in range(0, len(data), LINE):
        yield '"' + "".join(plain.get(c) or f"\\{c:03o}" for c in data[begin : begin + LINE]) + '"'


def main():
    folder, output = sys.argv[1:]
    found = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            kind = os.path.splitext(name)[1]
            if name == "README.md":
                continue
            if kind not in TYPES:
                sys.exit(f"{os.path.join(place, name)}: no type is known for {kind}")
            if name in found:
                sys.exit(f"{name} is there twice")
            with open(os.path.join(place, name), "rb") as file:
                found[name] = (TYPES[kind], file.read())
    lines = ['#include "server/dashboard/dashboard.h"', "", '#pragma GCC diagnostic ignored "-Woverlength-strings"', "",
             "namespace kyanite {", "namespace {", "", "using namespace std::string_view_literals;", "",
             "constexpr DashboardFile kFiles[] = {"]
    for name in sorted(found):
        kind, data = found[name]
        small = gzip.compress(data, 9, mtime=0)
        tag = hashlib.sha256(data).hexdigest()[:32]
        lines.append(f'    {{"{name}"sv, "{kind}"sv, "{tag}"sv,')
        for content in (data, small):
            pieces = list(literal(content)) or ['""']
            lines += ["     " + piece for piece in pieces[:-1]] + ["     " + pieces[-1] + "sv,"]
        lines.append("    },")
    lines += ["};", "", "}  // namespace", "", "std::span<const DashboardFile> dashboard_files() { return kFiles; }", "",
              "}  // namespace kyanite", ""]
    with open(output, "w", encoding="ascii") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main()
