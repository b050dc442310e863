"""Inbox: from rows to jobs — a prompt with placeholders, the takes of a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.naming import replicate_name
from soundmill.inbox.jobfile.rows import Row
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
    """The jobs of one row: its replicates, which differ in name and seed alone."""
    name, position, prompt, seed = row.full_name, row.position, row.prompt, row.seed
    choice, labels, condition = row.choice, row.labels, row.condition
    parameters, model, priority, file_format = choice.parameters, choice.model, choice.priority, choice.format
    for replicate in row.replicates:
        if seed is not None:
            chosen = seed + replicate - 1
        elif row.seeds_of is not None:
            chosen = derive_seed(row.seeds_of, "replicate", replicate)
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
