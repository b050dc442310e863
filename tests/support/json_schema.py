"""Whether a value is what a JSON Schema says: as much of draft 2020-12 as our own schemas use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip
KNOWN = {
    "$schema", "$id", "$defs", "$ref", "title", "description", "default", "type", "enum", "const", "anyOf", "items",
    "properties", "required", "additionalProperties", "prefixItems", "minItems", "maxItems",
}  # fmt: skip


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    """Where the value is not what the schema says, and how; a keyword this does not know is a problem too."""
    return list(_problems(schema, value, schema.get("$defs", {}), "$"))


def _problems(schema: dict[str, Any], value: Any, named: dict[str, Any], at: str) -> Iterator[str]:
    if unknown := schema.keys() - KNOWN:
        yield f"{at}: the schema says {sorted(unknown)}"
    if "$ref" in schema:
        yield from _problems(named[schema["$ref"].removeprefix("#/$defs/")], value, named, at)
    if "anyOf" in schema and all(list(_problems(one, value, named, at)) for one in schema["anyOf"]):
        yield f"{at}: {value!r} is none of {schema['anyOf']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{at}: {value!r} is no {kind}"
        return
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, inner in value.items():
            if name in properties:
                yield from _problems(properties[name], inner, named, f"{at}.{name}")
            elif rest is False:
                yield f"{at}.{name} is not foreseen"
            elif isinstance(rest, dict):
                yield from _problems(rest, inner, named, f"{at}.{name}")
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{at} has {len(value)} items"
        for place, inner in enumerate(value):
            one = first[place] if place < len(first) else schema.get("items", {})
            yield from _problems(one, inner, named, f"{at}[{place}]")
