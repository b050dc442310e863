"""`soundmill demo`: a fresh home, the small examples, and everything on the way from file to page."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from soundmill.commands.init import create
from soundmill.home import Home
from soundmill.inbox.spool import submit

EXAMPLES = ("simple-list.csv", "labels-and-parameters.csv", "template.yaml", "factorial.yaml", "built-in-effects.csv")


def fresh_home(chosen: Path) -> Home:
    """`chosen`, or the same name with a number behind it where that folder is in use already."""
    number = 1
    root = chosen.absolute()
    while root.exists() and any(root.iterdir()):
        number += 1
        root = chosen.absolute().with_name(f"{chosen.name}-{number}")
    home = Home(root)
    create(
        home,
        {
            "default_model": "tiny",
            "default_duration": 3.0,
            "inbox": {"settle_s": 0.2, "scan_interval_s": 0.5},
            "web": {"port": 0},
        },
    )
    return home


def drop_examples(home: Home) -> list[str]:
    """Put the small examples into the inbox; returns their names."""
    folder = Path(str(files("soundmill").joinpath("examples")))
    for name in EXAMPLES:
        submit(folder / name, home.inbox, again=False)
    return list(EXAMPLES)
