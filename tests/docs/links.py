"""Relative links of Markdown pages: the file is there, and so is the heading that an anchor names."""

import re
import urllib.parse
from pathlib import Path

LINK = re.compile(r"(?<!\\)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
REFERENCE = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.M)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")


def without_code(text):
    """Fenced blocks, code in lines and comments are no links; lines stay where they are."""
    out, fence = [], None
    for line in text.splitlines():
        opened = re.match(r"^\s*(```+|~~~+)", line)
        if fence is None and opened:
            fence = opened[1]
            out.append("")
        elif fence is not None:
            if line.strip() == fence:
                fence = None
            out.append("")
        else:
            out.append(re.sub(r"(`+)(?:.*?)\1", "code", line))
    blank = lambda found: re.sub(r"[^\n]", "", found[0])
    return re.sub(r"<!--.*?-->", blank, "\n".join(out), flags=re.S)


def anchors(text):
    """As GitHub makes them of headings."""
    found, fence = {}, None
    for line in text.splitlines():
        opened = re.match(r"^\s*(```+|~~~+)", line)
        if opened:
            fence = None if fence and line.strip() == fence else fence or opened[1]
            continue
        heading = HEADING.match(line) if fence is None else None
        if not heading:
            continue
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
        slug = re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")
        count = found.get(slug, -1) + 1
        found[slug] = count
        if count:
            found[f"{slug}-{count}"] = 0
    return set(found)


def broken(root, page):
    """Each broken link of a page, as a text."""
    text = page.read_text(encoding="utf-8")
    plain = without_code(text)
    for number, line in enumerate(plain.splitlines(), 1):
        for target in LINK.findall(line) + REFERENCE.findall(line):
            if re.match(r"^[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / urllib.parse.unquote(path)).resolve() if path else page
            where = f"{page.relative_to(root)}:{number}"
            if not file.is_relative_to(root.resolve()):
                yield f"{where}: {target} leads out of the repository"
            elif not file.exists():
                yield f"{where}: there is no {path}"
            elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
                yield f"{where}: {path or page.name} has no heading #{anchor}"


def pages(root):
    """Every Markdown page of the repository that git knows or would add, without what builds left behind."""
    skipped = {".git", "build", "node_modules", "kyanite-data", "third_party"}
    for path in sorted(Path(root).rglob("*.md")):
        if not skipped & set(path.relative_to(root).parts):
            yield path
