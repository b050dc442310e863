"""docs/statistics.md and the code it describes."""

from __future__ import annotations

import re
from pathlib import Path

from soundmill.report import statistics

CODE = Path(statistics.__path__[0])
DOC = Path(__file__).resolve().parents[3] / "docs" / "statistics.md"
HEADINGS = re.findall(r"^#+ (.*)$", DOC.read_text(encoding="utf-8"), re.MULTILINE)


def test_what_the_code_refers_to_is_a_heading() -> None:
    texts = (" ".join(file.read_text(encoding="utf-8").split()) for file in CODE.parent.rglob("*.py"))
    asked = {name for text in texts for name in re.findall(r'docs/statistics\.md, "([^"]+)"', text)}
    assert asked and asked <= {heading.partition(" (`")[0] for heading in HEADINGS}


def test_every_module_that_computes_has_a_section() -> None:
    missing = {file.stem for file in CODE.glob("*.py")} - set(re.findall(r"`(\w+)`", " ".join(HEADINGS)))
    assert missing == {"__init__", "findings"}
