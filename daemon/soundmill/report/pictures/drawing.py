"""Report: from a matplotlib figure to an SVG that looks right on a light and on a dark page, and alone.

The SVG's text stays text, its colours are the page's variables with the light ones as fallback, and the same figure
gives the same bytes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

THEME = resources.files("soundmill").joinpath("theme.css").read_text(encoding="utf-8")
LIGHT = dict(re.findall(r"--sm-([a-z-]+): (#[0-9a-f]{6});", THEME.partition("@media")[0]))  # name to colour
TEXT, FAINT, LINE, PANEL = (LIGHT[name] for name in ("text", "faint", "line", "panel"))
BUSY, GOOD, BAD, WARN = (LIGHT[name] for name in ("busy", "good", "bad", "warn"))
# Under which variable a page has each.
VARIABLES = {LIGHT[name]: name for name in ("text", "faint", "line", "panel", "busy", "good", "bad", "warn")}
WIDTH, WIDE = 4.3, 7.6  # inches at 72 points
LONGEST_TICK = 22  # characters
FONT = "'DejaVu Sans', Verdana, sans-serif"  # that of its measures first; on a page the page's own
ALIKE = 20  # marks beside each other, from which on what they have in common is said once
NAMED = re.compile(r"(?:axes|legend|matplotlib\.axis)_")  # the parts of a plot
MANY = 400  # marks, beyond which they go into the SVG as an image instead of one element each

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a prompt is a dollar
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": FAINT,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": TEXT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "figure.facecolor": PANEL,
    "axes.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.dpi": 72,
    "savefig.dpi": 110,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """`name` names its file and its element; `svg` is the element, without an XML prologue. `alt` says in words what
    it shows."""

    name: str
    title: str
    alt: str
    svg: str
    wide: bool


@contextmanager
def figure(
    height: float, *, rows: int = 1, wide: bool = False, same_x: bool = False
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with axes under each other, with `same_x` over one x axis; draw it with `finished` inside the block."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts draw it, not ours
        made = Figure(figsize=(WIDE if wide else WIDTH, height), layout="constrained")
        FigureCanvasSVG(made)
        axes = made.subplots(rows, 1, squeeze=False, sharex=same_x)
        yield made, [row[0] for row in axes]


def finished(made: Figure, name: str, title: str, alt: str) -> Plot:
    text = StringIO()
    if (layout := made.get_layout_engine()) is not None:
        layout.execute(made)  # here, for savefig would draw everything once more only to come to it
        made.set_layout_engine(None)
    # The salt makes the ids of clip paths follow from the content instead of from chance.
    with mpl.rc_context({"svg.hashsalt": name}):
        made.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Plot(name=name, title=title, alt=alt, svg=_themed(text.getvalue(), name), wide=made.get_figwidth() > WIDTH)


def _themed(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'^(<svg[^>]*?) width="[^"]*"', r"\1", svg)
    svg = re.sub(r'^(<svg[^>]*?) height="[^"]*"', r"\1", svg)
    svg = _slim(svg)
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", svg)  # several stand on one page
    for colour, variable in VARIABLES.items():
        svg = svg.replace(f": {colour}", f": var(--sm-{variable}, {colour})")
    return svg


def _once(run: str) -> str:
    """Marks beside each other in a group that has what all of them have in common of clip path and style."""
    marks = re.findall(r"<[^>]*/>", run)
    clips = {(re.findall(r' clip-path="[^"]*"', mark) or [""])[0] for mark in marks}
    styles = [(re.findall(r' style="([^"]*)"', mark) or [""])[0].split("; ") for mark in marks]
    common = [each for each in styles[0] if all(each in style for style in styles)]
    clip = next(iter(clips)) if len(clips) == 1 else ""
    bare = []
    for mark, style in zip(marks, styles, strict=True):
        own = "; ".join(each for each in style if each not in common)
        bare.append(
            re.sub(r' style="[^"]*"', f' style="{own}"' if own else "", mark.replace(clip, "") if clip else mark)
        )
    return f'<g{clip} style="{"; ".join(common)}">{"".join(bare)}</g>'


def _slim(svg: str) -> str:
    """The same drawing in half the bytes: hundredths of a point, the font once, and names only where one is meant."""
    meant = set(re.findall(r'(?:url\(|href=")#([^)"]*)', svg))

    def tag(found: re.Match[str]) -> str:
        text = re.sub(r"\s+", " ", found[0])
        text = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):z.2f}".rstrip("0").rstrip("."), text)
        text = re.sub(r" font-family: [^;\"]*;?", "", text)
        text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
        return re.sub(r' id="([^"]*)"', lambda name: name[0] if name[1] in meant or NAMED.match(name[1]) else "", text)

    svg = re.sub(r">\s+<", "><", re.sub(r"<[^>]*>", tag, svg)).replace("<use xlink:href", "<use href")
    for short, name in enumerate(sorted(meant)):
        svg = re.sub(rf'(id="|#){name}(?=[")])', rf"\g<1>{short}", svg)
    svg = re.sub(rf"(?:<(?:use|path) [^>]*/>){{{ALIKE},}}", lambda run: _once(run[0]), svg)
    return svg.replace("<svg ", f'<svg style="font-family: {FONT}" ', 1)
