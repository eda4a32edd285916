#!/usr/bin/env python3
"""Copies the files that pages show (<!-- file: PATH -->) into them, after a change of a file."""

import re
from pathlib import Path

from pages import blocks_of

ROOT = Path(__file__).resolve().parents[2]


def main():
    for page in sorted((ROOT / "docs").rglob("*.md")):
        lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
        for block in reversed(blocks_of(str(page), "".join(lines))):
            if block.kind == "file":
                content = (page.parent / block.argument).read_text(encoding="utf-8")
                indent = re.match(" *", lines[block.line - 1])[0]
                content = "".join(indent + line if line.strip() else line for line in content.splitlines(keepends=True))
                lines[block.line : block.line + len(block.text.splitlines())] = content.splitlines(keepends=True)
        text = "".join(lines)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
