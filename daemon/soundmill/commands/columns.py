"""Tables on a terminal: every value whole, also where the terminal is narrow.

A table that is too wide gives way in its widest column: a sentence wraps while there is room to read it, anything else
stands below its row. So short columns (a verdict, a score) are never touched, and nothing is cut.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

GAP = 2
LEAST = 24  # columns in which a sentence can still be read
INDENT = 4


def layout(natural: Mapping[str, int], width: int, names: Collection[str], wraps: Collection[str]) -> dict[str, int]:
    """How wide each column is in a terminal of `width`; those left out stand below the row.

    `natural` is how wide each would be if it had all the room. `names` say which row it is: they wrap rather than leave
    the row. `wraps` hold sentences.
    """
    widths = dict(natural)
    while (excess := _total(widths) - width) > 0:
        widest = max(widths, key=lambda key: widths[key])
        others = [key for key in widths if key not in names]
        if (widths[widest] - excess >= LEAST and (widest in names or widest in wraps)) or not others:
            widths[widest] = max(1, widths[widest] - excess)
            break
        del widths[max(others, key=lambda key: widths[key])]
    return widths


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def draw(
    rows: Sequence[Mapping[str, str]], columns: Mapping[str, str], numeric: Collection[str], names: Collection[str]
) -> None:
    """Print the given columns (key to heading) of the rows to the terminal; numbers stand at the right, and columns
    that are blank in every row are left out."""
    console = Console(highlight=False)
    longest = {key: max((row[key] for row in rows), key=cell_len) for key in columns}
    shown = [key for key in columns if longest[key]]
    natural = {key: max(cell_len(longest[key]), cell_len(columns[key])) for key in shown}
    if _total(natural) > console.width:  # headings wrap before anything else does
        natural = {key: max(map(cell_len, (longest[key], *columns[key].split()))) for key in shown}
    widths = layout(natural, console.width, names, {key for key in shown if " " in longest[key]})
    below = [key for key in shown if key not in widths]

    def line(texts: Mapping[str, str], style: str) -> None:
        grid = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        for key, width in widths.items():
            grid.add_column(width=width, justify="right" if key in numeric else "left", overflow="fold")
        grid.add_row(*(Text(texts[key], style) for key in widths))
        console.print(grid)

    line(columns, "bold")
    for row in rows:
        line(row, "")
        for key in below:
            if row[key]:
                console.print(Padding(Text(f"{columns[key]}: {row[key]}"), (0, 0, 0, INDENT)))
