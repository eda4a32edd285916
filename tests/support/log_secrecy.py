#!/usr/bin/env python3
"""Whether logs of hubs hold a key, a token or a payload, which they never may.

log_secrecy.py FOLDER looks at every FOLDER/*.log, with what FOLDER/*.log.secrets.json names beside it: a list of
[kind, text] that hub_process.py and hub.js collect from a hub before it stops. Ends with "N passed, N failed", a log
each; a leak is shown with what leaked masked.
"""
import base64
import binascii
import json
import re
import sys
import urllib.parse
from pathlib import Path

# In payloads, properties and twins of tests, so that they are found wherever they were logged.
SENTINEL = "kyanite-sentinel"
# Shorter bodies, and those of one word, are words that a log may have of its own.
BODY_LENGTH_MIN = 8
ONE_WORD = re.compile("[A-Za-z]+")
KEY_BYTES = {32, 64}  # of identities and policies, of the account of uploaded files

FORMS = [
    ("a SAS token", re.compile(r"SharedAccessSignature(?: |%20)s[ri]")),
    ("a signature", re.compile(r"\bsig(?:=|%3[dD])[^\s\"&]+")),
    ("a connection string", re.compile(r"(?:SharedAccess|Account)Key=[^\s\"]+")),
    ("a bearer token", re.compile(r"Bearer [A-Za-z0-9._~+/-]{8,}")),
    ("a JSON Web Token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ")),
    ("a private key", re.compile(r"PRIVATE KEY-----")),
    ("a payload", re.compile(re.escape(SENTINEL) + r"[\w-]*")),
]
WORD = re.compile(r"(?<![A-Za-z0-9+/%_-])[A-Za-z0-9+/]{22,}={0,2}(?![A-Za-z0-9+/=_-])")


def is_key(word):
    if len(word) % 4 != 0 or not (re.search("[a-z]", word) and re.search("[A-Z]", word) and re.search("[0-9]", word)):
        return False
    try:
        return len(base64.b64decode(word, validate=True)) in KEY_BYTES
    except binascii.Error:
        return False


def masked(line, *spans):
    for begin, end in sorted(spans, reverse=True):
        line = line[:begin] + "***" + line[end:]
    return line[:400]


class Secrets:
    """Many texts, found in one walk over a line: a look-up of each place's first letters, where an expression of
    alternatives would try them all."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.short = [form for form in wanted if len(form) < BODY_LENGTH_MIN]
        self.by_beginning = {}
        for form in wanted:
            if len(form) >= BODY_LENGTH_MIN:
                self.by_beginning.setdefault(form[:BODY_LENGTH_MIN], []).append(form)

    def first_in(self, line):
        """(what, (begin, end)) or None; of those that begin at one place the longest."""
        found = [(line.find(form), form) for form in self.short if form in line]
        for at in range(len(line) - BODY_LENGTH_MIN + 1):
            forms = self.by_beginning.get(line[at:at + BODY_LENGTH_MIN])
            matches = [form for form in forms or () if line.startswith(form, at)]
            if matches:
                found.append((at, max(matches, key=len)))
                break
        if not found:
            return None
        at, form = min(found, key=lambda one: (one[0], -len(one[1])))
        return self.wanted[form], (at, at + len(form))


def leaks(text, secrets=()):
    """Lines that tell what they may not, as (what, line number, masked line)."""
    found = []
    wanted = {}
    for kind, secret in secrets:
        if not secret or (kind == "a body" and (len(secret) < BODY_LENGTH_MIN or ONE_WORD.fullmatch(secret))):
            continue
        # As it is, inside of a JSON string, and percent-encoded.
        for form in {secret, json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe="")}:
            wanted[form] = kind
    known = Secrets(wanted)
    for number, line in enumerate(text.splitlines(), 1):
        for what, form in FORMS:
            if match := form.search(line):
                found.append((what, number, masked(line, match.span())))
        for match in WORD.finditer(urllib.parse.unquote(line)):
            if is_key(match.group()):
                found.append(("a key", number, masked(urllib.parse.unquote(line), match.span())))
        if wanted and (leak := known.first_in(line)):
            what, span = leak
            found.append((what, number, masked(line, span)))
    return found


def collect(hub):
    """What a running hub knows and must not log: keys, and the bodies of stored events."""
    secrets = []
    for policy in hub.rest("GET", "/kyanite/v1/policies")[1]["policies"]:
        secrets += [["a policy's key", policy[name]] for name in ("primaryKey", "secondaryKey")]
    for device in hub.rest("GET", "/devices?top=1000&api-version=2021-04-12")[1]:
        keys = (device.get("authentication") or {}).get("symmetricKey") or {}
        secrets += [["a device's key", keys[name]] for name in ("primaryKey", "secondaryKey") if keys.get(name)]
    for event in hub.events(timeout=1):
        if "bodyEncoding" not in event and isinstance(event["body"], str):
            secrets.append(["a body", event["body"]])
    account = hub.data / "store" / "files" / "account.key"
    if account.exists():
        secrets.append(["the key of uploaded files", account.read_text().strip()])
    return secrets


def check_folder(folder):
    logs = sorted(Path(folder).glob("*.log"))
    failed = 0
    for log in logs:
        beside = log.with_name(log.name + ".secrets.json")
        secrets = json.loads(beside.read_text()) if beside.exists() else []
        found = leaks(log.read_text(errors="replace"), secrets)
        for what, number, line in found[:20]:
            print(f"{log.name}:{number}: {what} in the log: {line}")
        failed += 1 if found else 0
    print(f"{len(logs) - failed} passed, {failed} failed")
    return failed == 0 and bool(logs)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: log_secrecy.py FOLDER")
    sys.exit(0 if check_folder(sys.argv[1]) else 1)
