"""Best of n, carried out: the catalogue chooses among takes, and the files of those set aside are moved.

One step does a bounded amount of work, may be killed at any point, and goes on where the last one ended.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf import moves
from soundmill.errors import StorageUnavailable

AT_ONCE = 50  # groups and moves in one step: a few milliseconds each, and the daemon has other things to do


def step(catalog: Catalog, outputs: Path) -> None:
    """Finish what is on its way, choose where all jobs have ended, and begin to move what was set aside.

    Raises StorageUnavailable when a file cannot be moved now; everything else is done all the same.
    """
    if not catalog.undecided():  # asked several times a second, and nearly always for nothing
        return
    move_takes(catalog, outputs)
    if catalog.choose(AT_ONCE):
        move_takes(catalog, outputs)


def move_takes(catalog: Catalog, outputs: Path) -> None:
    """Move up to AT_ONCE takes; catalog/shelf/moves.py tells the steps, and why a crash between them does no harm."""
    trouble: StorageUnavailable | None = None
    arrived, to_clear = [], []
    for move in catalog.pending_moves(AT_ONCE):
        if move.leftover is not None:
            to_clear.append(move)
            continue
        try:
            place = moves.put(outputs, move.path, move.target, attempt=move.attempt, is_taken=catalog.knows_output)
        except StorageUnavailable as error:
            trouble = error
            continue
        if place is None:
            catalog.move_given_up(move)
        else:
            arrived.append((move, place))
    if arrived:
        catalog.moves_arrived(arrived)
        to_clear += [replace(move, path=place, leftover=move.path) for move, place in arrived]
    settled = []
    for move in to_clear:
        try:
            moves.clear(outputs, str(move.leftover), move.path)
        except StorageUnavailable as error:
            trouble = error
        else:
            settled.append(move)
    if settled:
        catalog.moves_settled(settled)
    if trouble is not None:
        raise trouble
