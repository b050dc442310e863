"""Report: report.html, README.md and the contact sheet, from their templates.

Everything that people wrote is escaped by the templates' engine; beyond that, the page's content security policy lets
no script run but its own.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from markupsafe import Markup

from soundmill.report.page import head
from soundmill.report.page.rendering import TEMPLATES, environment
from soundmill.report.page.settings import Pairs, one_prompt, settings_of
from soundmill.report.page.views import Ends, Head, Material, Matters, Takes, Use, sections
from soundmill.report.pictures.drawing import THEME
from soundmill.report.record import JobRecord

REPLICATES_ABREAST = 6  # on a landscape page

Replicates = Mapping[int, Sequence[JobRecord]]  # of one condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    css: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    script: str
    script_digest: str  # for the content security policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The contact sheet: prompts over their conditions, where the prompt is one factor of several; and the replicates
    that stand beside each other, one table after the other. What the fields of `Head` and `Matters` mean is the same
    here."""

    groups: Sequence[tuple[str | None, Sequence[tuple[Mapping[str, str], Replicates]]]]
    columns: Sequence[Sequence[int]]
    all_pictures: Mapping[str, str]
    lead: str
    together: str
    constants: Pairs
    one_prompt: str | None
    tried_again: bool


View = Material | Head | Use | Matters | Takes | Ends | Sheet | Style | Script


def report_html(material: Material) -> str:
    script = _bare((TEMPLATES / "report.js").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _render("report.html", material, *sections(material), _style(), Script(script=script, script_digest=digest))


def readme(material: Material) -> str:
    return re.sub(r"\n{3,}", "\n\n", _render("README.md", material, *sections(material), escape=False))


def contact_sheet(material: Material) -> str:
    """Conditions by replicates, for the jobs that have a condition, also those of earlier batches."""
    return _render("contact-sheet.html", material, _sheet(material), _style())


def _sheet(material: Material) -> Sheet:
    jobs = [job for job in material.compared if job.id in material.factors.conditions]
    rows: dict[tuple[tuple[str, str], ...], dict[int, list[JobRecord]]] = {}
    for job in jobs:
        condition = tuple(material.factors.conditions[job.id].items())
        rows.setdefault(condition, {}).setdefault(job.replicate, []).append(job)
    replicates = sorted({job.replicate for job in jobs})
    groups: dict[str | None, list[tuple[Mapping[str, str], Replicates]]] = {}
    for condition, of_condition in rows.items():
        varied = dict(condition)
        prompt = varied.pop("prompt", None) if len(varied) > 1 else None  # a heading over its conditions
        groups.setdefault(prompt, []).append((varied, of_condition))
    return Sheet(
        groups=list(groups.items()),
        columns=[replicates[at : at + REPLICATES_ABREAST] for at in range(0, len(replicates), REPLICATES_ABREAST)],
        all_pictures=dict(material.pictures) | {k: v for batch in material.earlier for k, v in batch.pictures.items()},
        lead=head.lead(material.record, material.passed),
        together=head.together(material.earlier, material.passed_together),
        constants=settings_of(jobs, material.factors)[0],
        one_prompt=one_prompt(jobs),
        tried_again=any(job.tried_again for job in material.compared),
    )


def _style() -> Style:
    css = f"{THEME}\n{(TEMPLATES / 'report.css').read_text(encoding='utf-8')}"
    return Style(css=Markup(_bare(re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL))))


def _bare(text: str) -> str:
    """Without indentation, blank lines and lines of comment: every report has its own copy, to open wherever it is."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _render(template: str, *views: View, escape: bool = True) -> str:
    context = {field.name: getattr(view, field.name) for view in views for field in fields(view)}
    return environment(escape).get_template(template).render(context)
