"""Inbox: from rows to jobs — takes of a row, products of levels, designed experiments. All of it lazy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from soundmill.inbox.fields import Wrong
from soundmill.inbox.naming import automatic_name, replicate_name
from soundmill.inbox.rows import Row
from soundmill.jobs import JobSpec, derive_seed

_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\}|[{}])")
_PLACEHOLDER = re.compile(r"\{\s*([^\W\d][\w -]*?)\s*\}")


class Template:
    """A prompt with {placeholders}; `{{` and `}}` stand for braces. Raises Wrong where a brace stands alone."""

    def __init__(self, text: str) -> None:
        self.names: list[str] = []
        self._pieces: list[tuple[str, bool]] = []  # text or name, and whether it is a name
        for piece in _PIECES.split(text):
            if piece in ("{{", "}}"):
                self._pieces.append((piece[0], False))
            elif piece in ("{", "}"):
                raise Wrong(f"has a lone {piece}; write {piece}{piece} for a brace that is part of the prompt")
            elif piece.startswith("{"):
                placeholder = _PLACEHOLDER.fullmatch(piece)
                if not placeholder:
                    raise Wrong(f"{piece} is not a placeholder: a name goes between the braces, as in {{style}}")
                self.names.append(placeholder[1])
                self._pieces.append((placeholder[1], True))
            elif piece:
                self._pieces.append((piece, False))

    def render(self, values: Mapping[str, str]) -> str:
        return "".join([values[piece] if is_name else piece for piece, is_name in self._pieces])


def takes(row: Row, ulid: str) -> Iterator[JobSpec]:
    """The jobs of one row: `count` replicates that differ in name and seed alone."""
    _line, position, prompt, name, seed, choice, labels, condition, same_seeds = row
    if name is None:
        name = automatic_name(position, prompt)
    parameters, model, priority, file_format = choice.parameters, choice.model, choice.priority, choice.format
    for replicate in range(1, choice.takes + 1):
        if seed is not None:
            chosen = seed + replicate - 1
        elif same_seeds:
            chosen = derive_seed(ulid, "replicate", replicate)
        else:
            chosen = derive_seed(ulid, position, replicate)
        yield JobSpec(
            position=position,
            name=replicate_name(name, replicate),
            prompt=prompt,
            model=model,
            parameters=parameters,
            seed=chosen,
            priority=priority,
            format=file_format,
            melody=choice.melody,
            continue_from=choice.continue_from,
            labels=labels,
            condition=condition,
            replicate=replicate,
            quality=choice.quality,
            keep_best=choice.keep_best,
        )


def full_factorial(levels: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Every combination; the last factor varies fastest."""
    # itertools.product copies its inputs, not their product
    return product(*levels)


def one_factor_at_a_time(levels: Sequence[Sequence[str]], baseline: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The baseline, then each factor's other levels with all other factors at the baseline."""
    yield tuple(baseline)
    for which, choices in enumerate(levels):
        for level in choices:
            if level != baseline[which]:
                yield (*baseline[:which], level, *baseline[which + 1 :])


def full_factorial_size(levels: Iterable[Sequence[str]]) -> int:
    return math.prod(len(choices) for choices in levels)


def one_factor_at_a_time_size(levels: Iterable[Sequence[str]], baseline: Sequence[str]) -> int:
    return 1 + sum(sum(level != base for level in choices) for choices, base in zip(levels, baseline, strict=True))
