"""Markdown pages cut into fenced blocks, with the marker in the HTML comment right before each.

Markers, which readers of the page do not see:

    <!-- run -->                      carried out in the page's shell; a text block that follows is its output
    <!-- run: exit=1 -->              the same, and the last command has to end with this status (failure: any but 0)
    <!-- run: background=hub until=TEXT -->   carried out beside the others until the end of the page
    <!-- not run: REASON -->          shown only
    <!-- file: examples/x.js -->      the block is that file (relative to the page), which is put into the shell's folder
    <!-- settings -->                 a configuration: `kyanite config check` has to take it
    <!-- example -->                  before a text block that is nobody's output
    <!-- shell: OPTIONS OF run        carried out though readers do not see it: what they have at this point
    COMMANDS
    -->

A block that says what to do (any but text and json) and has no marker is an error.
"""

import dataclasses
import re

FENCE = re.compile(r"^( *)(```+|~~~+)\s*([\w+-]*)\s*$")
MARKER = re.compile(r"^\s*<!-- (run|not run|file|settings|example)(?:: (.*?))? -->\s*$")
HIDDEN = re.compile(r"^\s*<!-- shell(?:: (.*))?$")
WITHOUT_MARKER = {"text", "json"}


class BadPage(Exception):
    """Says where and what."""


@dataclasses.dataclass
class Block:
    page: object
    line: int  # of the opening fence, from 1
    language: str
    text: str
    kind: str  # run, not run, file, settings, example, shell, or "" for none
    argument: str = ""
    output: str = None  # of the text block that follows, with its line
    output_line: int = 0

    @property
    def options(self):
        """`exit=1 until="hub ready"` as a dict."""
        found = re.findall(r'(\w+)=("[^"]*"|\S+)', self.argument)
        return {name: value.strip('"') for name, value in found}

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def unindented(line, width):
    """A block within a list stands as far in as the list's text."""
    return line[width:] if not line[:width].strip() else line


def blocks_of(page, text):
    lines = text.splitlines()
    found = []
    marker = None  # the one of the line before, with blank lines between allowed
    at = 0
    while at < len(lines):
        line = lines[at]
        hidden = HIDDEN.match(line)
        if hidden:
            end = next((i for i in range(at + 1, len(lines)) if lines[i].strip() == "-->"), None)
            if end is None:
                raise BadPage(f"{page}:{at + 1}: a hidden shell block without an end")
            indent = len(line) - len(line.lstrip())
            content = "".join(unindented(l, indent) + "\n" for l in lines[at + 1 : end])
            found.append(Block(page, at + 1, "sh", content, "shell", hidden[1] or ""))
            at = end + 1
            continue
        matched = MARKER.match(line)
        if matched:
            marker = (matched[1], matched[2] or "", at + 1)
            at += 1
            continue
        fence = FENCE.match(line)
        if not fence:
            if line.strip() and marker:
                raise BadPage(f"{page}:{marker[2]}: a marker without a block")
            at += 1
            continue
        indent, ticks, language = len(fence[1]), fence[2], fence[3]
        end = next((i for i in range(at + 1, len(lines)) if lines[i].strip() == ticks), None)
        if end is None:
            raise BadPage(f"{page}:{at + 1}: a block without an end")
        content = "".join(unindented(l, indent) + "\n" for l in lines[at + 1 : end])
        kind, argument = (marker[0], marker[1]) if marker else ("", "")
        marker = None
        block = Block(page, at + 1, language, content, kind, argument)
        at = end + 1
        before = found[-1] if found else None
        if language == "text" and not kind:
            if before is None or before.kind != "run" or before.output is not None:
                raise BadPage(f"{block.place}: a text block that is no output needs <!-- example -->")
            before.output, before.output_line = content, block.line
            continue
        if not kind and language not in WITHOUT_MARKER:
            raise BadPage(f"{block.place}: a block of {language or 'no language'} without a marker")
        if kind in ("not run", "file") and not argument:
            raise BadPage(f"{block.place}: the marker says not why, or which file")
        found.append(block)
    if marker:
        raise BadPage(f"{page}:{marker[2]}: a marker without a block")
    return found
