"""What becomes of a finished clip. Pure: the take's place in its job is a value, and so is what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soundmill.jobs import Attempt, Generated, GenerationRequest, Judgement, Output, QcAction, Verdict
from soundmill.schedule.ledger import Filed


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """`retry` asks for another take with a new seed. `final_attempt` is the attempt whose take counts."""

    retry: bool = False
    quarantined: bool = False
    final_attempt: int


def what_follows(
    attempt: Attempt, judgement: Judgement, *, qc_retries: int, better_take: Callable[[int, Judgement], int | None]
) -> Consequence:
    """What a verdict means for the job, after `on_qc_fail`.

    When all tries are used up the best take is the job's, which need not be the last one: `better_take(job_id,
    judgement)` is the earlier attempt whose take is better than one so judged, if any.
    """
    job = attempt.job
    if judgement.verdict is Verdict.PASSED or job.on_qc_fail is QcAction.KEEP:
        return Consequence(final_attempt=attempt.number)
    if job.on_qc_fail is QcAction.QUARANTINE:
        return Consequence(quarantined=True, final_attempt=attempt.number)
    if job.qc_retries < qc_retries:
        return Consequence(retry=True, quarantined=True, final_attempt=attempt.number)
    better = better_take(job.id, judgement)
    return Consequence(quarantined=better is not None, final_attempt=better or attempt.number)


def output_of(clip: Generated, filed: Filed, request: GenerationRequest, *, quarantined: bool) -> Output:
    return Output(
        clip=clip,
        path=filed.path,
        size_bytes=filed.size_bytes,
        sha256=filed.sha256,
        normalization=request.normalization,
        normalization_target=request.normalization_target,
        fade_s=request.fade_s,
        quarantined=quarantined,
    )
