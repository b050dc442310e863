"""Which model a worker turns to next. Pure: queues and times in, a name out."""

from __future__ import annotations

from collections.abc import Sequence

from soundmill.jobs import ModelQueue


def choose_model(
    queues: Sequence[ModelQueue], *, loaded: str | None, loaded_since: float, now: float, pass_over_s: float
) -> str | None:
    """The model whose queue a worker should claim from, or None when nothing waits.

    Priority decides first: a switch of models costs seconds, an urgent cue left waiting costs a
    deadline. Among equals the loaded model goes on, until another's head has been passed over for
    `pass_over_s` (counted from when it was queued or this model was loaded, whichever came later);
    then, and when the loaded model has nothing, the oldest head wins.
    """
    if not queues:
        return None
    top = max(queue.priority for queue in queues)
    urgent = [queue for queue in queues if queue.priority == top]
    oldest_first = sorted(urgent, key=lambda queue: (queue.oldest_queued_at, queue.head_job_id))
    if any(queue.model == loaded for queue in urgent):
        for queue in oldest_first:
            passed_over_s = now - max(queue.oldest_queued_at, loaded_since)
            if queue.model != loaded and passed_over_s >= pass_over_s:
                return queue.model
        return loaded
    return oldest_first[0].model
