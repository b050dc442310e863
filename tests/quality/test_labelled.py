"""What the checks find on labelled audio: every promised defect, and next to nothing where there is none."""

from __future__ import annotations

import pytest

from soundmill.quality.registry import rules
from support.clean import CLEAN
from support.defective import INJECTIONS
from support.full import many
from support.labelled import SEEDS, Found, alarms, clips, examine_all, scores, table
from support.tiny_takes import PROMPTS, tiny_takes

EACH, MADE = many(SEEDS, 1), many(len(PROMPTS), 2)  # clips of each sound, takes of the built-in model


@pytest.fixture(scope="module")
def rows() -> list[Found]:
    found = examine_all([*clips(range(EACH)), *tiny_takes(MADE)])
    print("\n" + table(found))
    return found


def test_every_defect_is_found_at_its_stated_strength(rows: list[Found]) -> None:
    most = many(0, 1)  # of a few clips one is more than a twentieth
    short = [s for s in scores(rows) if s.clips - s.found > max(most, 0.05 * s.clips)]
    assert [(s.defect, s.strength, s.found, s.clips) for s in short] == []


def test_clean_audio_raises_next_to_no_alarm(rows: list[Found]) -> None:
    count, ours, _ = alarms(rows)
    assert count == EACH * len(CLEAN) + MADE
    assert ours <= 0.02 * count, [(row.sound, row.failed) for row in rows if not row.defect and row.failed]


def test_the_four_classic_checks_alone_do_worse_on_the_same_files(rows: list[Found]) -> None:
    count, ours, classic = alarms(rows)
    assert classic / count > 0.1 > ours / count
    assert sum(s.found for s in scores(rows)) > 2 * sum(s.classic for s in scores(rows))


def test_every_injected_defect_names_checks_there_are() -> None:
    names = {rule.name for rule in rules()}
    assert {name for injection in INJECTIONS for name in injection.finds} <= names
    assert names - {name for injection in INJECTIONS for name in injection.finds} == {
        "loudness",
        "tempo",
        "key",
        "loop_seam",
    }
