"""Report: what listeners prefer of a batch's takes, from their answers about pairs."""

from __future__ import annotations

from dataclasses import dataclass

from soundmill.report.record import BatchRecord
from soundmill.words import count, listed, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """One take that was compared. Of those who prefer one of two, `share` would rather have it than a middling one of
    the takes compared, 0 to 1, with a 95 % interval; `answers` are those about it."""

    file: str
    share: float
    low: float
    high: float
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The takes that were compared, best first; `winner` is the best of them, where that is sure at 95 %."""

    takes: tuple[Preferred, ...]
    winner: str | None
    answers: int
    listeners: int
    left_out: tuple[str, ...]

    @property
    def sentence(self) -> str:
        best = self.takes[0]
        many = f"{count(self.answers, 'answer')} of {count(self.listeners, 'listener')}"
        if self.winner is not None:
            said = f"Listeners prefer {self.winner}: the best of {len(self.takes)} takes compared, sure at 95 %"
        else:
            said = f"Which of {len(self.takes)} takes listeners prefer is not sure yet; {best.file} is ahead"
        said = f"{said} ({percent(best.share)} would rather have it than a middling one; {many})."
        if self.left_out:
            said += f" Left out, because they seem to have answered by chance: {listed(self.left_out)}."
        return said


def listeners_of(record: BatchRecord) -> Listeners | None:
    """What the comparisons of a batch's own takes come to; None where there are none that count."""
    from soundmill.preference import heard, share  # numpy, which who asks for the schema does without

    files = sorted({file for one in record.comparisons for file in (one.first, one.second)})
    place = {file: at for at, file in enumerate(files)}  # those of a check may be another batch's: it ranks none
    found = heard(
        {
            "who": one.who,
            "first_output_id": place[one.first],
            "second_output_id": place[one.second],
            "answer": one.answer,
            "attention": one.attention,
            "expected": one.expected,
        }
        for one in record.comparisons
    )
    if found is None:
        return None
    standing = found.standing
    takes = [
        Preferred(
            file=files[take],
            share=share(float(standing.strengths[at])),
            low=share(float(standing.lows[at])),
            high=share(float(standing.highs[at])),
            answers=found.answers[at],
        )
        for at, take in enumerate(found.takes)
    ]
    winner = found.winner
    return Listeners(
        takes=tuple(sorted(takes, key=lambda take: -take.share)),
        winner=None if winner is None else files[winner],
        answers=found.total,
        listeners=len(found.listeners),
        left_out=found.left_out,
    )
