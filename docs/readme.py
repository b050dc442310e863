"""Writes the README's generated sections from the program itself: `python docs/readme.py`.

With --check, only says whether they are up to date (a test does so too).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from soundmill.cli import main
from soundmill.engine.models import models_table
from soundmill.inbox.jobfile.schema import experiment_table, parameter_table

README = Path(__file__).resolve().parents[1] / "README.md"


def commands() -> str:
    """Usage and first sentence of every command, from the command line's own help."""
    rows = ["| command | what it does |", "| --- | --- |"]
    for words, command in _walk(main, ["soundmill"]):
        context = click.Context(command, info_name=" ".join(words))
        usage = " ".join(piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]")
        flags = " ".join(
            f"[{max(option.opts, key=len)}]"
            for option in command.params
            if isinstance(option, click.Option) and not option.hidden
        )
        shown = " ".join(part for part in (*words, usage, flags) if part).replace("|", "\\|")
        rows.append(f"| `{shown}` | {command.get_short_help_str(200)} |")
    return "\n".join(rows)


def _walk(group: click.Group, words: list[str]) -> list[tuple[list[str], click.Command]]:
    found: list[tuple[list[str], click.Command]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += _walk(command, [*words, name])
        else:
            found.append(([*words, name], command))
    return found


def rendered(text: str) -> str:
    """`text` with every generated section as it should be."""
    for name, section in (
        ("parameters", parameter_table()),
        ("experiment", experiment_table()),
        ("models", models_table()),
        ("commands", commands()),
    ):
        pattern = rf"(<!-- generated:{name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, s=section: m[1] + s.strip() + "\n" + m[2], text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{README}: section {name} is missing")
    return text


if __name__ == "__main__":
    now = README.read_text(encoding="utf-8")
    should = rendered(now)
    if "--check" in sys.argv[1:]:
        raise SystemExit(0 if now == should else f"{README}: out of date; run python docs/readme.py")
    README.write_text(should, encoding="utf-8")
