"""Report: which takes to use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from soundmill.jobs import JobStatus
from soundmill.report.listening import to_hear_first
from soundmill.report.record import BatchRecord, Found, JobRecord, TakeRecord

LIKED, DISLIKED = 4, 2  # stars: from here on, and down from here
MOST_OVERALL = 12
MOST_CARDS = 60  # prompts; of more, the page has a table
MOST_OF_PROMPT = 3
EACH_PROMPT = "Of each prompt the better half of its takes, three at most."
EACH_KEPT = "Of each prompt the takes that were kept of several, else the better half, three at most."
KEPT = "The takes that were kept of several, twelve at most."
ALIKE_POINTS = 1.0  # of the score: what lies closer is not told apart, and no order is made of it
CANNOT_TELL = "The checks cannot tell these takes apart: listen. Of each row one comes first, then what differs most."


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptChoice:
    """The takes to use of one prompt, best first: those that best-of-n kept, or the better half, three at most."""

    prompt: str
    takes: tuple[Found, ...]
    finals: int  # takes its jobs ended with
    passed: int  # of them
    rejected: int  # of them
    waiting: bool  # whether a job of it waits or runs

    @property
    def none_because(self) -> str:
        """Why there is nothing to use, where that is so."""
        if not self.finals:
            return "no take yet" if self.waiting else "every job of it failed or was cancelled"
        if not self.passed:
            whole = "its only take did not pass" if self.finals == 1 else f"none of its {self.finals:,} takes passed"
            return whole + (" so far" if self.waiting else "")
        if self.passed == 1:
            return "the take that passed has one or two stars, is set aside or is gone" + self._or_rejected
        return f"the {self.passed:,} takes that passed have one or two stars, are set aside or are gone" + (
            self._or_rejected
        )

    @property
    def _or_rejected(self) -> str:
        return ", or somebody rejected it" if self.rejected else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The takes to use, best first, or one per prompt in the order of the file. `rule` says how they were chosen.

    `prompts` has them prompt by prompt, in the order of the file; it is empty where there is only one prompt. They
    `compete` where a prompt has more takes than one. `alike`: the checks say nothing of which to prefer.
    """

    takes: tuple[Found, ...]
    per_prompt: bool
    prompts: tuple[PromptChoice, ...]
    compete: bool
    rule: str
    alike: bool

    @property
    def without(self) -> tuple[PromptChoice, ...]:
        """The prompts of which no take can be used."""
        return tuple(choice for choice in self.prompts if not choice.takes)


def order(found: Found) -> tuple[float, float, float, int]:
    """Sorts takes, best first. A person's stars go before the score: four or five above every unrated take, one or two
    below; what lies between counts as no opinion. Then passed checks, then the score; what
    `_best` makes of scores that are nearly alike comes on top."""
    job, take = found
    opinion = take.stars if take.stars is not None and (take.stars >= LIKED or take.stars <= DISLIKED) else 3
    return (-opinion, -float(take.passed), -(take.score if take.score is not None else -1.0), job.id)


def usable(take: TakeRecord) -> bool:
    """Whether a take may be proposed: liked by people; or unflagged, not set aside and not disliked; and never one that
    anybody rejected."""
    if not take.present or take.rejected:
        return False
    if take.stars is not None and (take.stars >= LIKED or take.stars <= DISLIKED):
        return take.stars >= LIKED
    return take.passed and not take.quarantined and take.kept is not False


def choose(record: BatchRecord) -> Choice:
    """The best of each prompt where prompts have several takes each, otherwise the best of all."""
    by_prompt: dict[str, list[JobRecord]] = {}
    for job in record.jobs:
        by_prompt.setdefault(job.prompt, []).append(job)
    every = _competing(record.jobs)
    compete = len({job.prompt for job, _ in every}) < len(every)  # otherwise each take is the only one of its prompt
    prompts = tuple(_of_prompt(*item) for item in by_prompt.items()) if len(by_prompt) > 1 else ()
    kept = any(take.kept for _, take in every)
    alike = compete and cannot_tell(take for _, take in every if usable(take))
    rule = "A person's four or five stars count before score and checks; others flagged or set aside are left out."
    if any(take.rejected for _, take in every):
        rule += " So are those that somebody rejected."
    if alike:
        rule = f"{CANNOT_TELL} {rule}"
    if 1 < len(by_prompt) <= min(MOST_CARDS, len(record.finals) // 2):
        return Choice(
            takes=tuple(choice.takes[0] for choice in prompts if choice.takes),
            per_prompt=True,
            prompts=prompts,
            compete=compete,
            rule=f"{EACH_KEPT if kept else EACH_PROMPT} {rule}",
            alike=alike,
        )
    most = MOST_OVERALL
    if kept:
        rule = f"{KEPT} {rule}"
    elif compete:
        most = min(MOST_OVERALL, max(1, len(every) // 4))
        rule = f"{'A' if alike else 'The best'} quarter of all takes, {MOST_OVERALL} at most. {rule}"
    return Choice(takes=_best(every, most), per_prompt=False, prompts=prompts, compete=compete, rule=rule, alike=alike)


def cannot_tell(takes: Iterable[TakeRecord]) -> bool:
    """Whether the checks do not tell takes apart, of which nobody has said what they think."""
    found = list(takes)
    scores = [take.score for take in found if take.score is not None]
    unrated = all(take.stars in (None, 3) for take in found)
    return unrated and 1 < len(scores) == len(found) and max(scores) - min(scores) < ALIKE_POINTS


def _of_prompt(prompt: str, jobs: list[JobRecord]) -> PromptChoice:
    takes = _competing(jobs)
    finals = [job.final for job in jobs if job.final is not None]
    kept = any(take.kept for _, take in takes)  # then few are left, and somebody has said how many
    return PromptChoice(
        prompt=prompt,
        takes=_best(takes, MOST_OVERALL if kept else min(MOST_OF_PROMPT, (len(takes) + 1) // 2)),
        finals=len(finals),
        passed=sum(take.passed for take in finals),
        rejected=sum(take.rejected for take in finals),
        waiting=any(job.status in (JobStatus.QUEUED, JobStatus.RUNNING) for job in jobs),
    )


def _competing(jobs: Iterable[JobRecord]) -> list[Found]:
    """The takes there are to choose among: what jobs ended with, and what a person rated."""
    return [(job, take) for job in jobs for take in job.takes if take.final or take.stars is not None]


def _best(takes: Iterable[Found], most: int) -> tuple[Found, ...]:
    """In order; but those that the checks cannot tell from the best, by how they differ."""
    ranked = sorted((found for found in takes if usable(found[1])), key=order)
    if not ranked:
        return ()
    alike = [found for found in ranked if _like(found, ranked[0])]
    return tuple([*to_hear_first(alike, most), *ranked[len(alike) :]][:most])


def _like(found: Found, best: Found) -> bool:
    """Whether nothing says that a take is worse than the best; opinions and checks come before the score."""
    if order(found)[:2] != order(best)[:2]:
        return False
    one, other = found[1].score, best[1].score
    return one == other or (one is not None and other is not None and other - one < ALIKE_POINTS)
