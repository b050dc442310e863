"""How much YAML is read, and how often a mended file is read again."""

from __future__ import annotations

import pytest

from soundmill.errors import InvalidJobFile, Problem
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.yaml.nodes import Node, Pairs, read_yaml

MIB = 1 << 20
SLIP = b"  - prompt: a: b\n"
NO_FURTHER = "the file was read no further than this; mend it so far first"


def read(data: bytes) -> tuple[Node | None, tuple[Problem, ...]]:
    problems = Problems()
    node = read_yaml(data, problems)
    try:
        problems.raise_if_any()
    except InvalidJobFile as refused:
        return node, refused.problems
    return node, ()


def test_so_many_entries_are_read_and_no_more() -> None:
    others = 3  # the mapping, its key and the list
    node, problems = read(b"jobs: [" + b"a," * (400_000 - others) + b"]")
    assert isinstance(node, Pairs) and problems == ()
    node, problems = read(b"jobs:\n- [" + b"a," * 399_000 + b"\n*x," + b"[]," * (1000 - others - 2) + b"\n[], []]\n")
    assert node is None
    assert [(each.line, each.message) for each in problems] == [
        (3, "aliases (*name) are not allowed; write the value out"),
        (4, "more than 400,000 entries; write a list this long as a CSV file"),
    ]


@pytest.mark.parametrize(("size", "last"), [(MIB, 11), (3 * MIB, 8)])
def test_a_large_file_is_mended_while_reading_it_again_costs_little(size: int, last: int) -> None:
    """Each time a part of it is read, as far as the slip, and a sixteenth for the rest: 4 MiB, or twice the file."""
    node, problems = read(b"jobs:\n#" + b"x" * size + b"\n" + 10 * SLIP)
    assert node is None
    slips = [each.line for each in problems if each.message != NO_FURTHER]
    assert slips == list(range(3, last + 1))
    assert problems[-1] == Problem(message=NO_FURTHER, line=last)


def test_a_small_file_is_mended_two_hundred_times() -> None:
    node, problems = read(b"jobs:\n" + 199 * SLIP)
    assert isinstance(node, Pairs) and [each.line for each in problems] == list(range(2, 201))
    node, problems = read(b"jobs:\n" + 210 * SLIP)
    assert node is None and [each.line for each in problems[:200]] == list(range(2, 202))
    assert problems[200:] == (Problem(message="and 1 more problem, not listed here"),)
