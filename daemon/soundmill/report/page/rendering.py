"""Report: the templates' engine, and how values look in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from soundmill import __version__
from soundmill.jobs import LIMIT_SCORE
from soundmill.report.factors import PARAMETERS
from soundmill.report.pictures.drawing import Plot
from soundmill.report.record import Defect, TakeRecord
from soundmill.report.statistics.findings import InteractionCell
from soundmill.report.summary import NOTICED_LU
from soundmill.report.wording.level_names import spoken
from soundmill.words import moment, number, one_decimal, p_value, percent, span

TEMPLATES = Path(__file__).parent / "templates"
SETTING_END = re.compile(rf"_(?=(?:{'|'.join(PARAMETERS)})-)")  # before the next setting in a job's name
LONGEST_WHOLE = 30  # characters that are kept on one line
LONG_PROMPT, LONG_LINES = 240, 4  # characters and line breaks, beyond which a row of a take shows the start of it
MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~&$])")


@cache
def environment(escape: bool) -> Environment:
    """The templates of this folder; with `escape`, every value in them is HTML-escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        url=lambda path: quote(path, safe="/"),
        moment=moment,
        percent=percent,
        p_value=p_value,
        span=span,
        spoken=spoken,
        score=lambda value: "" if value is None else str(round(value)),  # decimals tell nothing
        plain=lambda value: "" if value is None else f"{value:.6g}",
        place=_place,
        defect_words=_defect_words,
        levels=_levels,
        breakable=breakable,
        long=lambda prompt: len(prompt) > LONG_PROMPT or prompt.count("\n") > LONG_LINES,
        md=markdown,
        code=lambda text: str(text).replace("`", "'"),
    )
    made.globals.update(figure=figure, numbers=_numbers, version=__version__, limit_score=LIMIT_SCORE)
    return made


def breakable(name: str) -> Markup:
    """A job's name that may be broken between its settings, `temperature-1.3` and `cfg_coef-2-r1`, not within one."""
    first, *settings = SETTING_END.split(name)
    whole = Markup('<span class="sm-whole">{}</span>')
    parts = [whole.format(part) if len(part) <= LONGEST_WHOLE else Markup.escape(part) for part in settings]
    return Markup("_<wbr>").join([Markup.escape(first), *parts])


def markdown(text: object) -> str:
    """Text on one line that Markdown takes literally, also where a line starts with it."""
    line = MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
    return f"\\{line}" if line.startswith(("-", "+")) else line


def figure(plot: Plot) -> Markup:
    return Markup('<figure class="sm-plot{wide}"><figcaption>{title}</figcaption>{svg}</figure>\n').format(
        wide=" sm-wide" if plot.wide else "",
        title=plot.title,
        svg=Markup(plot.svg.replace("<svg ", f'<svg role="img" aria-label="{Markup.escape(plot.alt)}" ', 1)),
    )


def _place(defect: Defect, take: TakeRecord) -> str:
    """Where on the picture a defect lies, as a style."""
    whole = take.duration_s or 1.0
    left = min(100.0, max(0.0, 100 * defect.start_s / whole))
    width = min(100.0 - left, max(0.0, 100 * (defect.end_s - defect.start_s) / whole))
    return f"left:{left:.2f}%;width:{width:.2f}%"


def _defect_words(defect: Defect) -> str:
    name = defect.name.replace("_", " ")
    at = f"{defect.start_s:.2f}"
    if defect.end_s - defect.start_s >= 0.01:
        at += f" to {defect.end_s:.2f}"
    return f"{name} at {at} s" + (f": {defect.detail}" if defect.detail else "")


def _levels(cells: Iterable[InteractionCell], which: str) -> list[str]:
    return list(dict.fromkeys(getattr(cell, which) for cell in cells))


def _numbers(take: TakeRecord) -> list[str]:
    loudness, peak = take.measurements.get("loudness_lufs"), take.measurements.get("peak_dbfs")
    found = [f"{number(round(take.duration_s, 2))} s long", f"start to end {span(take.generation_s)}"]
    if loudness is not None:
        short = take.loudness_short_lu or 0.0
        under = f", {one_decimal(short)} LU under the target" if short > NOTICED_LU else ""
        found.append(f"{one_decimal(loudness)} LUFS{under}")
    if peak is not None:
        found.append(f"peak {one_decimal(peak)} dBFS")
    return found
