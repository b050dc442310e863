"""Inbox: reads one cell, whichever kind of file it stood in, and says in plain words what is wrong with it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cached_property, reduce
from typing import Annotated, Any, get_args

import annotated_types
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from soundmill.inbox.jobfile.suggest import closest
from soundmill.inbox.jobfile.vocabulary import BARS, SECONDS
from soundmill.inbox.jobfile.written import LONGEST_PROMPT, Experiment, FactorRange, JobFile, JobRow, Settings
from soundmill.words import did_you_mean, normal

SETTING_FIELDS = tuple(Settings.model_fields)
KNOWN = ("id", "prompt", *SETTING_FIELDS)
TEXT_FIELDS = frozenset({"id", "prompt", "model", "melody", "continue_from"})
LONGEST_LABEL = 2000  # characters
LONGEST_LABEL_NAME = 100  # characters

_LINE_BREAKS = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
INVISIBLE = (
    " \t\r\n\x0b\x0c\u00a0\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e"
    "\u202f\u2060\u2066\u2067\u2068\u2069\u3000\ufeff"
)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_MINUTES = re.compile(r"(\d{1,4}):([0-5]?\d)(?::([0-5]?\d))?")
_SPOKEN_MINUTES = re.compile(r"(\d{1,3})\s*(?:m|min|['′])\s*([0-5]?\d)\s*(?:s|sec|[\"″]|'')?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,'’\u00a0\u202f ])\d{3}(?:\1\d{3})*")
_ANY_SEED = frozenset({"random", "rand", "rnd", "any", "new", "?", "auto", "none", "null", "zufall"})
_BLANKS = frozenset({"nan", "none", "null", "nil", "n/a", "na", "-", "--", "—", "default", "auto", "standard"})
_WITH_UNIT = re.compile(r"(?!0x)([+-]?\d{1,9}(?:[.,]\d{1,9})?)\s*([A-Za-z]+)")
_PERCENT = re.compile(r"%?\s*(\d{1,9}(?:\.\d{1,15})?)\s*%?")
_ROUNDED = re.compile(r"\d[.,]?\d*[eE]\+?\d{1,3}")


class Wrong(ValueError):
    """A cell cannot be read; the text says what would be right."""


def bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    """Lowest and highest value of a field, None where there is no such bound."""
    low = next((m.ge for m in info.metadata if isinstance(m, annotated_types.Ge)), None)
    high = next((m.le for m in info.metadata if isinstance(m, annotated_types.Le)), None)
    return low, high  # type: ignore[return-value]  # the bounds of our models are numbers


def unit_of(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    return str(extra["unit"]) if isinstance(extra, dict) else ""


def choices(info: FieldInfo) -> tuple[str, ...]:
    """The words a field may be, empty for a field that is not a choice."""
    found: list[str] = []
    for kind in (info.annotation, *get_args(info.annotation)):
        if isinstance(kind, str):  # a word of a Literal
            found.append(kind)
        elif isinstance(kind, type) and issubclass(kind, StrEnum):
            found += [word.value for word in kind]
    return tuple(found)


class Field:
    """Reads the text of one field of a model: coercion and range are pydantic's, the words are ours."""

    def __init__(self, name: str, info: FieldInfo) -> None:
        self.name = name
        self._info = info
        self.is_whole = int in (info.annotation, *get_args(info.annotation))
        self._low, self._high = bounds(info)
        self._unit = unit_of(info)
        self._choices = choices(info)
        self._is_switch = info.annotation is bool

    @cached_property
    def _read(self) -> Callable[[str], Any]:
        """Made when a file first has such a cell: making all of them would be half of this room's import."""
        metadata = tuple(self._info.metadata)
        kind: Any = self._info.annotation
        return TypeAdapter[Any](Annotated[(kind, *metadata)] if metadata else kind).validate_python

    @property
    def is_number(self) -> bool:
        return self._low is not None

    def read(self, text: str) -> Any:
        """The value of a non-blank cell. Raises Wrong."""
        if not text.isascii() and (self.is_number or self._choices):
            text = unicodedata.normalize("NFKC", text.strip(INVISIBLE)).replace("\u2212", "-")
        if len(text) > 60 and (self._low is not None or self._choices):
            raise Wrong(self._expected())
        if self._choices:
            text = normal(text.lstrip("."))  # WAV and .wav are wav, Sound Effects sound_effects
        elif self._is_switch:
            text = text.strip(INVISIBLE).lower()
        elif text.count("%") == 1 and not self._unit and (percent := _PERCENT.fullmatch(text)):
            text = f"{float(percent[1]) / 100:.15g}"  # as spreadsheets show a share
        elif self.is_whole and (thousands := _THOUSANDS.fullmatch(text)):
            raise Wrong(self._thousands(text, thousands[1]))
        try:
            return self._read(text)
        except ValidationError as error:
            raise Wrong(self._explain(text, error.errors()[0]["type"])) from None

    def _thousands(self, text: str, mark: str) -> str:
        digits = text.lstrip("+-")
        sign = "-" if text.startswith("-") else ""
        many, few = sign + re.sub(r"\D", "", digits), sign + re.split(r"\D", digits)[0]
        if mark in ".," and digits.count(mark) == 1:
            return f"may be {many} or {few}: write {many} without the mark, or {few} without zeros"
        return f"{self._expected()}; write it without marks between the thousands: {many}"

    def _expected(self) -> str:
        if self._choices:
            return f"must be one of {', '.join(self._choices)}"
        if self._is_switch:
            return "must be true or false"
        unit = f" {'seconds' if self._unit == 's' else self._unit}" if self._unit else ""
        kind = "a whole number" if self.is_whole else "a number"
        return f"must be {kind} from {self._low or 0:,g} to {self._high or 0:,.16g}{unit}"  # a seed has 16 digits

    def _explain(self, text: str, kind: str) -> str:
        if kind == "string_too_long":
            return f"is too long ({len(text):,} characters)"
        expected = self._expected()
        if self._choices:
            return expected + did_you_mean(closest(text, self._choices))
        if _DECIMAL_COMMA.fullmatch(text) and not self.is_whole:
            return f"{expected}; write the decimals after a point: {text.replace(',', '.')}"
        if self.name == "seed" and (text.startswith("-") or text.lower() in _ANY_SEED):
            return "leave the cell blank, and each clip gets a new seed; else it " + expected
        if self.is_whole and _ROUNDED.fullmatch(text):
            return f"{expected}; write all its digits: what shows it so has rounded it"
        if text.lower() in _BLANKS:
            return f"{expected}; leave it blank for the usual value"
        if (found := _THOUSANDS.fullmatch(text)) and found[1] not in ".,":
            return f"{expected}; write it without marks between the thousands: {re.sub(r'[^0-9]', '', text)}"
        if self._unit == "s" and (spoken := _SPOKEN_MINUTES.fullmatch(text)):
            text = f"{spoken[1]}:{spoken[2]:0>2}"
        if self._unit == "s" and (minutes := _MINUTES.fullmatch(text)):
            return f"{expected}; {self._from_clock([int(each) for each in minutes.groups() if each])}"
        if measured := _WITH_UNIT.fullmatch(text):
            if self._unit == "s" and measured[2].casefold() in BARS:
                return f"{expected}; write bars in bars, and the tempo in bpm"
            number = float(measured[1].replace(",", "."))
            number *= SECONDS.get(measured[2].casefold(), 1.0) if self._unit == "s" else 1.0
            if (self._low or 0) <= number <= (self._high or number):
                return f"{expected}; write the number alone: {number:g}"
        return expected

    def _from_clock(self, parts: list[int]) -> str:
        """What to write for h:mm:ss or m:ss. Spreadsheets make 00:30:00 of 0:30, thirty minutes of seconds."""
        assert self._high is not None
        seconds = reduce(lambda so_far, part: 60 * so_far + part, parts)
        if seconds <= self._high:
            return f"write minutes and seconds as seconds: {seconds}"
        meant = 60 * parts[0] + parts[1]
        if parts[2:] == [0] and meant <= self._high:
            return (
                f"{seconds:,} seconds are too long; perhaps {meant // 3600}:{meant // 60 % 60:02d}:{meant % 60:02d} "
                f"was meant: write {meant}"
            )
        return f"{seconds:,} seconds are too long"


def readers(model: type[BaseModel], *names: str) -> Mapping[str, Field]:
    """A reader for each of these single-valued fields of a model."""
    return {name: Field(name, model.model_fields[name]) for name in names}


JOB_FIELDS = readers(JobRow, *KNOWN)
FILE_FIELDS = readers(JobFile, "name", "priority", "on_qc_fail")
EXPERIMENT_FIELDS = readers(Experiment, "design", "n", "replicates")
RANGE_FIELDS = readers(FactorRange, "scale", "step")


def read_prompt(text: str) -> str:
    """The prompt on one line. Raises Wrong."""
    prompt = text.strip(INVISIBLE)
    if not prompt:
        raise Wrong("is missing: every job needs a prompt, what the clip should sound like")
    if not prompt.isprintable():
        prompt = _LINE_BREAKS.sub(" ", prompt)
        _refuse_control(prompt)
    if len(prompt) > LONGEST_PROMPT:
        raise Wrong(f"must be at most {LONGEST_PROMPT:,} characters; this one has {len(prompt):,}")
    return prompt


def read_label(text: str) -> str:
    """A label's value. Raises Wrong."""
    if not text.isprintable():
        _refuse_control(text)
    if len(text) > LONGEST_LABEL:
        raise Wrong(f"a label may have at most {LONGEST_LABEL:,} characters; this one has {len(text):,}")
    return text


def check_label_name(name: str) -> None:
    """Raises Wrong for a name that cannot be a label's."""
    if not name.isprintable():
        raise Wrong("a label's name must be on one line and without control characters")
    if len(name) > LONGEST_LABEL_NAME:
        raise Wrong(f"a label's name may have at most {LONGEST_LABEL_NAME} characters")


def _refuse_control(text: str) -> None:
    if found := _CONTROL.search(text):
        raise Wrong(f"contains the control character U+{ord(found[0]):04X}; delete it or type the text again")
