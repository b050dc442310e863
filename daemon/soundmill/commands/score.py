"""`soundmill score`: what the daemon does about scores, done once and without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.reader import Reader
from soundmill.config import Config, load
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home, lock_home
from soundmill.service import best_of_n
from soundmill.service.scoring import Scoring, models_of, open_process


def score(home: Home) -> str:
    """Score everything of a home; returns what there is to say of it. Raises as `score_all` does, and HomeInUse."""
    config = load(home)
    with Reader.open(home.catalog), lock_home(home):  # the reader says when there is no catalogue yet
        count = score_all(home, config, clock=time.time)
    return f"{count} takes scored by {' and '.join(config.scoring.chosen)}"


def score_all(home: Home, config: Config, *, clock: Callable[[], float]) -> int:
    """Have every take of a home without a daemon scored that was not yet, then choose where that was waited for;
    how many takes were heard.

    Raises UsageError when no scorer is switched on, and SoundmillError as soon as one cannot work.
    """
    models = models_of(config.scoring)
    if not models:
        what = "names none" if not config.scoring.scorers else "is auto, and none is on this machine"
        raise UsageError(f"{home.config_file}: scoring.scorers {what}, and Soundmill's own score is there already")
    with (
        closing(Catalog.open(home.catalog, clock=clock)) as catalog,
        closing(open_process(config, generating=())) as process,
    ):
        catalog.use_ranking(config.scoring.rank_by)
        scoring = Scoring(
            catalog,
            home.outputs,
            models=models,
            process=process,
            record=catalog.event,
            clock=clock,
            wait=lambda _seconds: None,
        )
        while not scoring.worked_off:
            scoring.step()
            if scoring.blocked_because is not None:
                raise SoundmillError(scoring.blocked_because)
        while catalog.undecided():
            best_of_n.step(catalog, home.outputs)
        return scoring.heard
