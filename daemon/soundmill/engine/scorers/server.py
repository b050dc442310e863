"""The scoring room, server: the inside of the scoring process. It scores one request after the other.

It yields to everything else on the machine: low priority, and half of the cores at most.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

import torch

from soundmill.engine.failures import as_engine_error, one_line
from soundmill.engine.inputs import read_audio
from soundmill.engine.process.lifeline import begin, end
from soundmill.engine.process.wire import pack, unpack
from soundmill.engine.scorers.messages import Score, Scored, ScoringFailed, Take
from soundmill.engine.scorers.registry import Scorer, Scores, find
from soundmill.engine.scorers.windows import AT_ONCE, WINDOW_S, mono
from soundmill.errors import EngineError, MissingInput, ModelUnavailable

NICENESS = 10  # an engine beside it gets nine parts of a core in ten
OOM_SCORE = "500"  # when memory runs out, the kernel should rather take this process than an engine


def serve(conn: Connection, device: str) -> None:
    """Answer every Score that comes over `conn`, until anything else does or the daemon hangs up."""
    loaded: dict[tuple[str, str], Scorer] = {}
    with suppress(EOFError, OSError):
        while isinstance(request := unpack(conn.recv_bytes()), Score):
            conn.send_bytes(answer(request, loaded, device))


def answer(request: Score, loaded: dict[tuple[str, str], Scorer], device: str) -> bytes:
    """The Answer to one request, packed; `loaded` keeps the scorers from one request to the next."""
    try:
        scorer = loaded.get((request.scorer, request.model))
        if scorer is None:
            scorer = opened(request.scorer, request.model, device)
            loaded[request.scorer, request.model] = scorer
        return pack(score(scorer, request.takes))
    except Exception as error:
        known = as_engine_error(error)
        if known is None:
            logging.getLogger(__name__).exception("scoring with %s", request.scorer)
        return pack(ScoringFailed(error=known or EngineError(f"scorer {request.scorer}: {one_line(error)}")))


def opened(scorer: str, model: str, device: str) -> Scorer:
    """Raises ModelUnavailable with the mend where a package is missing, and what the scorer's own `open` raises."""
    spec = find(scorer)
    try:
        return spec.open(model, device)
    except ImportError as error:
        raise ModelUnavailable(
            f"scorer {scorer}: a package is missing ({error}); run `{spec.install}`, or take {scorer} out of"
            " scoring.scorers"
        ) from error


def score(scorer: Scorer, takes: Sequence[Take]) -> Scored:
    """Scores of all takes that can be read, a few at a time so that long ones do not fill the memory."""
    scores: dict[int, Scores] = {}
    unread: dict[int, str] = {}
    group: list[tuple[Take, torch.Tensor]] = []

    def flush() -> None:
        if group:
            found = scorer.score([audio for _, audio in group], [take.prompt for take, _ in group])
            scores.update({take.key: one for (take, _), one in zip(group, found, strict=True)})
            group.clear()

    for take in takes:
        try:
            samples, rate = read_audio(take.file)
        except MissingInput as error:
            unread[take.key] = str(error)
            continue
        group.append((take, mono(samples, rate, scorer.sample_rate)))
        if sum(len(audio) for _, audio in group) >= AT_ONCE * WINDOW_S * scorer.sample_rate:
            flush()
    flush()
    return Scored(scores=scores, unread=unread)


def run(argv: list[str]) -> int:
    """The process's entry: the device and the numbers of the two pipes."""
    device, conn, lifeline = argv
    daemon = begin(conn, lifeline, OOM_SCORE)
    with suppress(OSError):
        os.nice(NICENESS)
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // 2 if hasattr(os, "sched_getaffinity") else 1))
    serve(daemon, device)
    return 0


if __name__ == "__main__":
    end(run(sys.argv[1:]))
