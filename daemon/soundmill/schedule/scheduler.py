"""Which model a worker turns to next. Pure: queues and times in, a name out."""

from __future__ import annotations

from collections.abc import Sequence

from soundmill.jobs import ModelQueue


def choose_model(
    queues: Sequence[ModelQueue], *, loaded: str | None, loaded_for_s: float, now: float, pass_over_s: float
) -> str | None:
    """The model whose queue a worker should claim from, or None when nothing waits.

    Priority decides first: a switch of models costs seconds, an urgent cue left waiting costs a
    deadline. Among equals the loaded model goes on, until another's head has been passed over for
    `pass_over_s` (counted from when it was queued or this model was loaded, whichever came later);
    then, and when the loaded model has nothing, the oldest head wins. A head that was queued later than `now` has seen
    the clock set back: it is taken to have waited as long as this model is loaded.
    """
    if not queues:
        return None
    top = max(queue.priority for queue in queues)
    urgent = [queue for queue in queues if queue.priority == top]
    oldest_first = sorted(urgent, key=lambda queue: (queue.oldest_queued_at, queue.head_job_id))
    if any(queue.model == loaded for queue in urgent):
        for queue in oldest_first:
            queued_for_s = now - queue.oldest_queued_at if queue.oldest_queued_at <= now else loaded_for_s
            passed_over_s = min(queued_for_s, loaded_for_s)
            if queue.model != loaded and passed_over_s >= pass_over_s:
                return queue.model
        return loaded
    return oldest_first[0].model
