"""A home with takes, people's opinions, and folders of this machine in every place where one can stand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import pytest

from publish.conftest import HOSTILE, fill, make_home
from soundmill.catalog.asking import ratings
from soundmill.home import Home
from support.asking import asked

SECRET = "/srv/very-private"
CHANGES = (
    "UPDATE ratings SET rejected = 1 WHERE who = 'listener 1'",
    "UPDATE jobs SET model = :folder || '/models/mine', melody = :folder || '/melody.wav' WHERE position = 2",
    "UPDATE jobs SET labels = :labels, error = :folder WHERE position = 6",
    "UPDATE batches SET experiment = :experiment WHERE name = 'sweep'",
    "UPDATE batches SET deliver = :deliver WHERE name = 'forest'",
    "INSERT INTO shortlists (name, note, created_by, created_at) VALUES ('best', :note, 'ann@example.com', 1)",
    "INSERT INTO picks SELECT s.id, o.id, 'ann@example.com', :note, 1 FROM outputs o JOIN shortlists s"
    " WHERE s.name = 'best' AND o.path LIKE 'sweep/%' LIMIT 3",
    "INSERT INTO asked_deliveries"
    " (ulid, of_what, target, named, takes, profile, zipped, rights, who, asked_at, state, folder)"
    " VALUES ('u', 'shortlist', 'best', 'best', 3, 'game', 0, 0, 'ann@example.com', 1, 'made', :folder)",
)


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Tests only read it."""
    made = make_home(tmp_path_factory.mktemp("published") / "home")
    (made.root / "inbox").mkdir()
    fill(made)
    catalog = made.catalog
    asked(catalog, ratings.rate, "forest/clip-001", 5, f"as in {SECRET}/notes.txt", "ann@example.com")
    asked(catalog, ratings.rate, "forest/clip-002", 1, None, "listener 1")
    catalog.event("delivery made", f"{SECRET}/music")
    catalog.close()
    told = {
        "labels": json.dumps({"ref": f"{SECRET}/a.wav"}),
        "experiment": json.dumps({"factors": {"model": [f"{SECRET}/m"]}}),
        "deliver": json.dumps({"profile": "game", "to": SECRET}),
        "folder": SECRET,
        "note": HOSTILE,
    }
    with sqlite3.connect(made.database) as db:
        for statement in CHANGES:
            db.execute(statement, told)
    db.close()
    yield Home(made.root)
