"""What is wrong with soundmill.yaml: each key with its line, what would be right, and the name that was meant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from soundmill.config.sections import LimitsOf
from soundmill.config.settings import Config
from soundmill.errors import Problem
from soundmill.words import closest, did_you_mean, listed, shortened

LONGEST_VALUE = 60
MOST_NAMES = 20
SECRET = "alerts"  # addresses and tokens are not repeated
_KINDS = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "string": "a text", "tuple": "a list",
    "list": "a list",
}  # fmt: skip
_BOUNDS = {"greater_than": "over", "greater_than_equal": "at least", "less_than": "under", "less_than_equal": "at most"}
_Place = tuple[str, ...]


def faults(error: ValidationError, node: yaml.Node | None) -> list[Problem]:
    """One problem for each place in the file, whichever of the forms that it may have was tried."""
    by_place = defaultdict[_Place, list[Mapping[str, Any]]](list)
    for loc, each in _single(error, ()):
        by_place[_written(loc, node, missing=each["type"] == "missing")].append(each)
    return [_problem(place, found, node) for place, found in by_place.items()]


def given_twice(node: yaml.Node | None) -> list[Problem]:
    """Keys of one mapping that stand there more than once: YAML takes the last, and nobody sees it."""
    found, seen = list[Problem](), set[int]()

    def look(node: yaml.Node | None, place: _Place) -> None:
        if id(node) in seen:  # an alias stands for what was looked at, or for what it stands in
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            first = dict[str, int]()
            for key, value in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                if name in first:
                    message = f"is given twice; the first is on line {first[name]}"
                    found.append(Problem(message=message, line=line, field=".".join((*place, name))))
                first.setdefault(name, line)
                look(value, (*place, name))
        elif isinstance(node, yaml.SequenceNode):
            for n, value in enumerate(node.value):
                look(value, (*place, str(n)))

    look(node, ())
    return found


def _single(error: ValidationError, before: tuple[int | str, ...]) -> Iterator[tuple[_Place, Mapping[str, Any]]]:
    """Also those within one: limits are read by a model of their own."""
    for each in error.errors():
        loc = (*before, *each["loc"])
        inner = each.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):
            yield from _single(inner, loc)
        else:
            yield tuple(map(str, loc)), each


def _written(loc: _Place, node: yaml.Node | None, *, missing: bool) -> _Place:
    """As much of it as stands in the file; the rest says which form was tried."""
    place = list[str]()
    for name in loc:
        below = _below(node, name)
        if below is None:
            return (*place, name) if missing else tuple(place)
        node = below[1]
        place.append(name)
    return tuple(place)


def _below(node: yaml.Node | None, name: str) -> tuple[int, yaml.Node] | None:
    """(the line of that key or item, what stands there); of a key that is given twice the last counts."""
    if isinstance(node, yaml.MappingNode):
        found = ((key.start_mark.line + 1, value) for key, value in reversed(node.value) if key.value == name)
        return next(found, None)
    if isinstance(node, yaml.SequenceNode) and name.isdecimal() and int(name) < len(node.value):
        value = node.value[int(name)]
        return value.start_mark.line + 1, value
    return None


def _problem(place: _Place, found: Sequence[Mapping[str, Any]], node: yaml.Node | None) -> Problem:
    line = None
    for name in place:
        line, node = _below(node, name) or (line, None)
    unknown = found[0]["type"] == "extra_forbidden"
    written = node.value if isinstance(node, yaml.ScalarNode) and not unknown and place[:1] != (SECRET,) else None
    return Problem(
        message=_not_known(place) if unknown else _wrong(found, _declared(place)[0]),
        line=line,
        field=".".join(place) or "the file",
        value=shortened(written, LONGEST_VALUE) if written else None,
    )


def _not_known(place: _Place) -> str:
    *above, name = place
    known = _known(above)
    if suggestion := closest(name, known):
        return f"is no key of {'.'.join(above) or 'soundmill.yaml'}{did_you_mean(suggestion)}"
    if homes := [home for home in _homes() if name in _known(home)]:
        return f"has no place here; {_belongs(homes)}"
    alike = [each for each in known if each.partition("_")[0] == name.partition("_")[0]] or known
    names = (
        f"there are {listed(sorted(alike))}" if len(alike) <= MOST_NAMES else "`soundmill schema settings` lists them"
    )
    return f"is no key of {'.'.join(above) or 'soundmill.yaml'}; {names}"


def _homes() -> Iterator[tuple[str, ...]]:
    yield ()
    for name, field in Config.model_fields.items():
        if get_origin(field.annotation) is not dict:
            yield (name,)


def _belongs(homes: Sequence[Sequence[str]]) -> str:
    places = [f"under {'.'.join(home)}" if home else "at the top" for home in homes]
    return f"it belongs {' or '.join(places)}"


def _wrong(found: Sequence[Mapping[str, Any]], field: FieldInfo | None) -> str:
    said = list(dict.fromkeys(_said(each, field) for each in found))
    forms = [each.removeprefix("must be ") for each in said if each.startswith("must be ")]
    return f"must be {' or '.join(forms)}" if len(forms) == len(said) else "; ".join(said)


def _said(error: Mapping[str, Any], field: FieldInfo | None) -> str:
    kind, about = str(error["type"]), error.get("ctx", {})
    if kind == "missing":
        return "is missing"
    if kind in ("literal_error", "enum"):
        return "must be " + str(about["expected"]).replace("'", "")
    if kind in _BOUNDS:
        bound = next(value for name, value in about.items() if name in ("gt", "ge", "lt", "le"))
        return "must be " + (_range(field) or f"{_BOUNDS[kind]} {_plain(bound)}")
    if kind == "string_pattern_mismatch":
        return f"is not of the form it needs: {'letters, digits, - and _' if field is None else field.description}"
    if kind in ("string_too_short", "too_short"):
        return "must not be empty" if kind.startswith("string") else "must be a list of one or more"
    if kind == "value_error":
        return str(about["error"])
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "must have keys of its own, as in engine: {slots: 4}"
    if (what := _KINDS.get(kind.partition("_")[0])) is not None:
        return f"must be {_range(field) or what}"
    return str(error["msg"])


def _range(field: FieldInfo | None) -> str | None:
    """In words, where the field has one."""
    if field is None or (bounds := _bounds(field.metadata)) is None:
        return None
    return f"{'a whole number' if field.annotation is int else 'a number'} {bounds}"


def _bounds(metadata: Iterable[object]) -> str | None:
    parts = list[str]()
    for each in metadata:
        match each:
            case Ge(ge=bound):
                parts.append(f"from {_plain(bound)} on")
            case Gt(gt=bound):
                parts.append(f"over {_plain(bound)}")
            case Le(le=bound):
                parts.append(f"up to {_plain(bound)}")
            case Lt(lt=bound):
                parts.append(f"under {_plain(bound)}")
    return " and ".join(parts).replace(" on and up to ", " to ") or None


def _plain(bound: Any) -> str:
    return f"{int(bound):,}" if bound == int(bound) else str(bound)


def _declared(place: Sequence[str]) -> tuple[FieldInfo | None, type[BaseModel] | None]:
    """What a key is said to be, and the model of what stands below it; None below lists."""
    field: FieldInfo | None = None
    model: type[BaseModel] | None = Config
    named_by_people = False
    for name in place:
        if named_by_people:
            field, named_by_people = None, False
        else:
            field = model.model_fields.get(name) if model is not None else None
            model, named_by_people = _model(field), field is not None and get_origin(field.annotation) is dict
    return field, model


def _known(above: Sequence[str]) -> frozenset[str]:
    model = _declared(above)[1]
    return frozenset(model.model_fields if model is not None else ())


def _model(field: FieldInfo | None) -> type[BaseModel] | None:
    if field is None:
        return None
    for each in field.metadata:
        if isinstance(each, LimitsOf):
            return each.model()
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
