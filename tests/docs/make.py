#!/usr/bin/env python3
"""Makes the pages that come from the program itself: tests/docs/make.py PROGRAM [--check]

docs/configuration.md (`kyanite config reference`), docs/commands.md (`--help` of each command), docs/rest-api.md
(`/kyanite/v1/openapi.json` of a hub started for it), docs/errors.md (the table of the sources), docs/metrics.md (a scrape of a hub). Between two comments in each page stands what is made; the text
around it is written by hand. With --check nothing is written and a page that is not up to date is a failure.
"""

import difflib
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from hub_process import Hub  # noqa: E402

BEGIN, END = "<!-- made by tests/docs/make.py: begin -->", "<!-- made by tests/docs/make.py: end -->"


def help_of(program, words):
    done = subprocess.run([program, *words, "--help"], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def sections(text):
    """CLI11's help cut at its headings: {"": description and usage, "Options": ..., "Subcommands": ..., "footer": ...}."""
    parts, name = {"": []}, ""
    for line in text.splitlines():
        heading = re.fullmatch(r"(Positionals|Options|Subcommands):", line)
        if heading:
            name = heading[1]
            parts[name] = []
        elif name and line and not line.startswith(" "):
            name = "footer"
            parts.setdefault(name, []).append(line)
        else:
            parts[name].append(line)
    return parts


COLUMN = 30  # where CLI11 begins a description; after a longer name on the next line


def tidy(name, text):
    """A name as CLI11 writes it, `--timeout S:INT in [5 - 300]=30 REQUIRED Needs: --device`, without what is said in words."""
    added = []
    for kind, words in (("Needs", "with"), ("Excludes", "not with")):
        name, found, others = name.partition(f" {kind}: ")
        if found:
            added.append(f"{words} `{others}`")
    needed = name.endswith(" REQUIRED")
    name = name.removesuffix(" REQUIRED")
    default = ""
    if name.startswith("-") and not name.endswith("=VALUE"):
        name, _, default = name.partition("=")
    if found := re.fullmatch(r"(.*?):INT in \[(\d+) - (\d+)\]", name) or re.fullmatch(r"(.*?):UINT in \[(\d+) - (\d+)\]", name):
        name = found[1]
        if f"{found[2]} to {found[3]}" not in text:
            added.append(f"{found[2]} to {found[3]}")
    if found := re.fullmatch(r"(.*) TEXT:\{(.*)\}", name):
        name = f"{found[1]} {found[2].replace(',', '|')}"
    if default:
        added.append(f"{default} unless given")
    if needed and name.startswith("-"):
        added.append("has to be given")
    # A positional argument's type says nothing that its name does not.
    if not name.startswith("-"):
        name = name.split()[0]
        if not needed:
            name = f"[{name}]"
    return [name, "; ".join(filter(None, [text, *added]))]


def rows(lines, of_options=True):
    """Name and description of each entry."""
    found = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if line.startswith("   "):
            if found:
                found[-1][1] = (found[-1][1] + " " + line.strip()).strip()
            continue
        follows = number + 1 < len(lines) and lines[number + 1].startswith("   ") and lines[number + 1].strip()
        if follows or line[COLUMN - 1 : COLUMN] != " ":
            found.append([line.strip(), ""])
        else:
            found.append([line[:COLUMN].strip(), line[COLUMN:].strip()])
    return [tidy(*row) for row in found] if of_options else found


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def code(text):
    return "`" + text.replace("|", "\\|") + "`"


SHARED = {"--login", "--data", "--ca", "-h,--help"}  # of every command that talks to a hub; described once


def command_pages(program, words=()):
    parts = sections(help_of(program, words))
    children = [name for name, _ in rows(parts.get("Subcommands", []), of_options=False)]
    if children:
        for child in children:
            yield from command_pages(program, (*words, child))
        return
    head = [line for line in parts[""] if line.strip()]
    description, usage = head[0], next(line for line in head if line.startswith("Usage:"))
    options = rows(parts.get("Options", []))
    talks = any(name.split()[0] == "--login" for name, _ in options)
    out = f"### kyanite {' '.join(words)}\n\n{cell(description[0].upper() + description[1:])}.\n\n"
    out += f"`{usage.removeprefix('Usage: ')}`"
    out += " (and [the options of all](#commands-that-talk-to-a-hub))\n" if talks else "\n"
    described = [row for row in rows(parts.get("Positionals", []))]
    described += [
        row for row in options if row[0].split()[0] not in SHARED or (not talks and row[0].split()[0] != "-h,--help")
    ]
    if described:
        out += "\n| | |\n|---|---|\n"
        out += "".join(f"| {code(name)} | {cell(text)} |\n" for name, text in described)
    yield out


def commands(program):
    top = rows(sections(help_of(program, ()))["Subcommands"], of_options=False)
    out = ""
    for name, text in top:
        out += f"\n## {name}\n\n{cell(text[0].upper() + text[1:])}.\n\n" + "\n".join(command_pages(program, (name,)))
    return out.lstrip("\n")


def routes(program):
    """Every route of the description that a hub with test control serves."""
    with tempfile.TemporaryDirectory() as folder:
        with Hub(program, Path(folder) / "data", arguments=("--test-control",)) as hub:
            document = hub.rest("GET", "/kyanite/v1/openapi.json")[1]
    groups = {"Routes of the service": [], "Routes of Kyanite": [], "Routes of test control": []}
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            own = path.startswith("/kyanite/")
            name = "test control" if operation.get("x-kyanite-test-control") else "Kyanite" if own else "the service"
            rights = operation["x-kyanite-rights"]
            how, _, names = rights.partition(" of ")
            if how == "all" and names.count(",") == 3:
                rights = "all four"
            elif how == "any":
                rights = names.replace(", ", " or ")
            else:
                rights = names.replace(", ", " and ") or rights
            groups[f"Routes of {name}"].append(f"| `{verb.upper()} {path}` | {cell(rights)} | {cell(operation['summary'])} |\n")
    return "\n".join(
        f"## {title}\n\n| Route | Rights | What it does |\n|---|---|---|\n{''.join(found)}" for title, found in groups.items()
    )


def settings(program):
    return subprocess.run(
        [program, "config", "reference"], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def errors(_program):
    """The rows of the catalogue, without those that are of other protocols or that one answer stands for several of."""
    source = (ROOT / "protocol/base/error_catalog.cpp").read_text(encoding="utf-8")
    found = re.findall(r'ErrorRow\{Errc::(\w+), "(\w+)", (\d+), (\d+),\s+"([^"]*)"\}', source)
    assert len(found) == source.count("ErrorRow{Errc::"), "a row of the catalogue is written in another way"
    not_rest = {"protocol_violation", "malformed_packet", "packet_too_large", "topic_not_allowed", "config_invalid", "io_failed"}
    rows = sorted({(int(status), int(number), name, text) for code, name, number, status, text in found if code not in not_rest})
    out = "| Status | Number | Name | Meaning |\n|---|---|---|---|\n"
    return out + "".join(f"| {status} | {number} | `{name}` | {text} |\n" for status, number, name, text in rows)


def metrics(program):
    """What a scrape of a hub says of itself: families with their kind, labels and help."""
    with tempfile.TemporaryDirectory() as folder:
        with Hub(program, Path(folder) / "data") as hub:
            address = f"http://127.0.0.1:{hub.info['ports']['admin']}/metrics"
            with urllib.request.urlopen(address, timeout=60) as answer:
                text = answer.read().decode()
    help_of_family, kinds, labels = {}, {}, {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, what = line[7:].partition(" ")
            help_of_family[name] = what
        elif line.startswith("# TYPE "):
            name, _, kinds[name] = line[7:].partition(" ")
        elif line:
            name, _, rest = line.partition("{")
            name = re.split(r"[ {]", name)[0]
            family = name if name in kinds else re.sub(r"_(bucket|sum|count)$", "", name)
            found = re.findall(r'(\w+)="', rest) if rest else []
            labels.setdefault(family, [])
            labels[family] += [one for one in found if one != "le" and one not in labels[family]]
    out = "| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n"
    for name, what in sorted(help_of_family.items()):
        shown = ", ".join(f"`{one}`" for one in labels.get(name, []))
        out += f"| `{name}` | {kinds.get(name, '')} | {shown} | {cell(what)} |\n"
    return out


MADE = {"configuration.md": settings, "commands.md": commands, "rest-api.md": routes, "errors.md": errors, "metrics.md": metrics}


def main():
    program, check = Path(sys.argv[1]).resolve(), "--check" in sys.argv[2:]
    stale = False
    for name, make in MADE.items():
        page = ROOT / "docs" / name
        text = page.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        fresh = f"{before}{BEGIN}\n\n{make(program).strip()}\n\n{END}{after}"
        if fresh == text:
            continue
        if check:
            stale = True
            print(f"docs/{name} is not what the program says; tests/docs/make.py PROGRAM makes it anew:")
            print("\n".join(list(difflib.unified_diff(text.splitlines(), fresh.splitlines(), lineterm=""))[:40]))
        else:
            page.write_text(fresh, encoding="utf-8")
            print(f"docs/{name}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
