"""`soundmill demo`: a fresh home, the small examples, and everything on the way from file to page."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from soundmill.commands import terminal as show
from soundmill.commands.init import create
from soundmill.commands.look import web
from soundmill.commands.run import run
from soundmill.home import Home
from soundmill.inbox.spool import submit

EXAMPLES = ("simple-list.csv", "labels-and-parameters.csv", "template.yaml", "factorial.yaml", "built-in-effects.csv")


def demo(folder: Path, say: Callable[[str], object]) -> None:
    """Run the examples in a fresh home and say where everything is; on a terminal then serve the site.

    Raises as `run` does.
    """
    home = fresh_home(folder)
    say(f"Dropped {', '.join(drop_examples(home))} into {home.inbox}")
    run(home, once=True, site=False, say=say)
    say(f"\nAudio    {home.outputs}\nCatalog  {home.catalog}\nSettings {home.config_file}")
    again = f"soundmill --home {home.root}"
    say(f"More     {again} submit FILE, {again} run, {again} web")
    if show.is_terminal():
        web(home, None, say)


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
