"""What tests draw from the hub's own description of its routes: operations, who may call them, and bodies, good and bad."""
import json
import random

from hub_process import quote

VERBS = ("GET", "PUT", "POST", "PATCH", "DELETE")
POLICIES = {
    "iothubowner": {"RegistryRead", "RegistryWrite", "ServiceConnect", "DeviceConnect"},
    "service": {"ServiceConnect"},
    "device": {"DeviceConnect"},
    "registryRead": {"RegistryRead"},
    "registryReadWrite": {"RegistryRead", "RegistryWrite"},
}


class Operation:
    def __init__(self, document, path, verb, described):
        self.document, self.path, self.verb, self.described = document, path, verb.upper(), described
        self.id = described["operationId"]
        self.operation = described["x-kyanite-operation"]
        self.statuses = {int(status) for status in described["responses"]}
        content = described.get("requestBody", {}).get("content", {})
        self.schema = content.get("application/json", {}).get("schema")
        self.has_body = bool(content)

    def may_call(self, policy):
        if self.described["x-kyanite-rights"] == "none":
            return True
        how, _, names = self.described["x-kyanite-rights"].partition(" of ")
        wanted = set(names.split(", "))
        held = POLICIES[policy]
        return wanted <= held if how == "all" else bool(wanted & held)

    def matches(self, target):
        parts, wanted = target.partition("?")[0].split("/"), self.path.split("/")
        return len(parts) == len(wanted) and all(want.startswith("{") or want == part for part, want in zip(parts, wanted))

    def parameters(self, where):
        for parameter in self.described.get("parameters", []):
            parameter = resolve(self.document, parameter)
            if parameter["in"] == where:
                yield parameter["name"], resolve(self.document, parameter.get("schema", {}))

    def target(self, values, query=None):
        """The path with its parameters, ready to be sent; `query` names go over those that are required."""
        path = self.path
        for name, _ in self.parameters("path"):
            path = path.replace("{" + name + "}", quote(values.get(name, "none")))
        query = {**({"api-version": "2021-04-12"} if not path.startswith("/kyanite/") else {}), **(query or {})}
        return path + ("?" + "&".join(f"{quote(name)}={quote(str(value))}" for name, value in query.items()) if query else "")


def operations(document):
    return [Operation(document, path, verb, described) for path, verbs in document["paths"].items() for verb, described in verbs.items()]


def resolve(document, schema):
    while "$ref" in schema:
        found = document
        for part in schema["$ref"][2:].split("/"):
            found = found[part]
        schema = found
    return schema


class Bodies:
    """Values by a schema, and what is wrong with them, all from one seed."""

    STRANGE = (None, True, 0, -1, 1.5, 1e308, 2**63, 2**64, "", "x", "\u0000", "é\U0001f600", "a" * 5000, [], {}, [[]], {"": None}, [1, "2", None], {"$x": 1, "a.b": 2})

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, document, schema, depth=0):
        schema, dice = resolve(document, schema), self.random
        if schema.get("nullable") and dice.random() < 0.2:
            return None
        if "allOf" in schema:
            merged = {}
            for part in schema["allOf"]:
                merged.update(self.value(document, part, depth))
            return merged
        if "enum" in schema:
            return dice.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object" and depth < 6:
            members = {name: self.value(document, part, depth + 1) for name, part in schema.get("properties", {}).items()
                       if name in schema.get("required", ()) or dice.random() < 0.6}
            if not schema.get("properties"):
                members = {f"k{n}": self.value(document, {"type": dice.choice(("string", "integer", "boolean", "object"))}, depth + 1) for n in range(dice.randrange(3))}
            return members
        if kind == "array":
            return [self.value(document, schema["items"], depth + 1) for _ in range(dice.randrange(schema.get("minItems", 0), 4))]
        if kind == "integer":
            return dice.randint(int(schema.get("minimum", 0)), int(min(schema.get("maximum", 1000), 1000)))
        if kind == "number":
            return round(dice.uniform(schema.get("minimum", 0), min(schema.get("maximum", 100), 100)), 3)
        if kind == "boolean":
            return dice.random() < 0.5
        if kind == "string":
            return dice.choice(("d1", "x", "here", "2026-01-05T10:00:00Z", "AAAA"))
        return dice.choice((1, "text", None, [1], {"a": 1}))

    def broken(self, value):
        """The value with one thing wrong somewhere."""
        dice = self.random
        if isinstance(value, dict) and value and dice.random() < 0.8:
            changed, name = dict(value), dice.choice(list(value))
            what = dice.randrange(4)
            if what == 0:
                del changed[name]
            elif what == 1:
                changed[dice.choice(("unknown", "", "$", "a.b", "é"))] = dice.choice(self.STRANGE)
            elif what == 2:
                changed[name] = dice.choice(self.STRANGE)
            else:
                changed[name] = self.broken(value[name])
            return changed
        if isinstance(value, list) and value and dice.random() < 0.8:
            return [self.broken(value[0]), *value[1:]]
        return dice.choice(self.STRANGE)

    def bytes_of(self, value):
        """JSON, now and then with broken bytes."""
        dice, text = self.random, json.dumps(value, ensure_ascii=self.random.random() < 0.5).encode()
        what = dice.randrange(12)
        if what == 0:
            return text[:dice.randrange(len(text) + 1)]
        if what == 1:
            at = dice.randrange(len(text) + 1)
            return text[:at] + bytes([dice.randrange(256)]) + text[at:]
        if what == 2:
            return b"\xef\xbb\xbf" + text
        return text


def deep(levels, opening=b'{"a":', closing=b"}"):
    return opening * levels + b"1" + closing * levels
