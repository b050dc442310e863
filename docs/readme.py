"""Writes the generated sections of README.md and docs/job-files.md from the program itself: `python docs/readme.py`.

With --check, only says whether they are up to date (a test does so too).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from soundmill.cli import main
from soundmill.engine.models import models_table
from soundmill.inbox.jobfile.clips import OF_A_ROW, OF_EACH_TAKE, OF_SETTINGS
from soundmill.inbox.jobfile.schema import experiment_table, parameter_table
from soundmill.inbox.jobfile.vocabulary import NOTHING, SAME

README = Path(__file__).resolve().parents[1] / "README.md"
JOB_FILES = README.parent / "docs" / "job-files.md"


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


def spellings() -> str:
    """What else the fields are called."""
    return _by_meaning("| field | also written |", SAME)


def refusals() -> str:
    """Names that are refused, by what is said of them."""
    return _by_meaning("| what is said | names |", NOTHING)


def name_fields() -> str:
    """The fields of a pattern of names beside a row's own columns."""
    meanings = OF_EACH_TAKE | OF_A_ROW
    rows = ["| field | stands for |", "| --- | --- |"]
    rows += [f"| `{name}` | {meaning} |" for name, meaning in meanings.items()]
    rows.append(f"| {', '.join(f'`{name}`' for name in OF_SETTINGS)} | the setting as it is used |")
    return "\n".join(rows)


def _by_meaning(heading: str, meanings: dict[str, str]) -> str:
    rows = [heading, "| --- | --- |"]
    for meant in dict.fromkeys(meanings.values()):
        names = ", ".join(f"`{name}`" for name, of in meanings.items() if of == meant)
        rows.append(f"| {meant if ' ' in meant else f'`{meant}`'} | {names} |")
    return "\n".join(rows)


SECTIONS = {
    README: {
        "parameters": parameter_table,
        "experiment": experiment_table,
        "models": models_table,
        "commands": commands,
    },
    JOB_FILES: {"spellings": spellings, "refusals": refusals, "name-fields": name_fields},
}


def rendered(file: Path) -> str:
    """The text of a file with every generated section as it should be."""
    text = file.read_text(encoding="utf-8")
    for name, section in SECTIONS[file].items():
        pattern = rf"(<!-- generated:{name} -->\n).*?(<!-- end -->)"
        made = section().strip()
        text, count = re.subn(pattern, lambda m, s=made: m[1] + s + "\n" + m[2], text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{file}: section {name} is missing")
    return text


if __name__ == "__main__":
    for file in SECTIONS:
        should = rendered(file)
        if "--check" not in sys.argv[1:]:
            file.write_text(should, encoding="utf-8")
        elif file.read_text(encoding="utf-8") != should:
            raise SystemExit(f"{file}: out of date; run python docs/readme.py")
