"""Report: which takes to use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from soundmill.report.record import BatchRecord, JobRecord, TakeRecord

LIKED, DISLIKED = 4, 2  # stars: from here on, and down from here
MOST_OVERALL = 12
MOST_PROMPTS = 200

Found = tuple[JobRecord, TakeRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The takes to use, best first, or one per prompt in the order of the file. `rule` says how they were chosen."""

    takes: tuple[Found, ...]
    per_prompt: bool
    without: tuple[str, ...]  # prompts of which no take can be used
    rule: str


def order(found: Found) -> tuple[float, float, float, int]:
    """Sorts takes, best first. A person's stars go before the score: four or five above every unrated take, one or two
    below; three stars count as no opinion. Then passed checks, then the score."""
    job, take = found
    opinion = take.stars if take.stars is not None and (take.stars >= LIKED or take.stars <= DISLIKED) else 3
    return (-opinion, -float(take.passed), -(take.score if take.score is not None else -1.0), job.id)


def usable(take: TakeRecord) -> bool:
    """Whether a take may be proposed: liked by a person; or unflagged, not set aside and not disliked."""
    if not take.present:
        return False
    if take.stars is not None and take.stars != 3:
        return take.stars >= LIKED
    return take.passed and not take.quarantined and take.kept is not False


def choose(record: BatchRecord) -> Choice:
    """The best of each prompt where prompts have several takes each, otherwise the best of all."""
    by_prompt: dict[str, list[Found]] = {}
    for found in record.takes:
        if found[1].final or found[1].stars is not None:
            by_prompt.setdefault(found[0].prompt, []).append(found)
    finals = len(record.finals)
    rule = "A person's four or five stars count before the score; flagged and set-aside takes are left out."
    if 1 < len(by_prompt) <= min(MOST_PROMPTS, finals // 2):
        best = {prompt: _best(takes, 1) for prompt, takes in by_prompt.items()}
        return Choice(
            takes=tuple(takes[0] for takes in best.values() if takes),
            per_prompt=True,
            without=tuple(prompt for prompt, takes in best.items() if not takes),
            rule=f"The best take of each prompt. {rule}",
        )
    every = [found for takes in by_prompt.values() for found in takes]
    competing = len(by_prompt) < len(every)  # otherwise each take is the only one of its prompt
    most = min(MOST_OVERALL, max(1, len(every) // 4)) if competing else MOST_OVERALL
    return Choice(takes=_best(every, most), per_prompt=False, without=(), rule=rule)


def _best(takes: Iterable[Found], most: int) -> tuple[Found, ...]:
    return tuple(sorted((found for found in takes if usable(found[1])), key=order)[:most])
