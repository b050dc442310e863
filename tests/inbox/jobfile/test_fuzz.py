"""Damaged files of every kind: jobs or InvalidJobFile, each within 2 s and 200 MB. `make fuzz` reads 100,000."""

from __future__ import annotations

from support.fuzz import KINDS, fuzz


def test_ten_thousand_damaged_files_become_jobs_or_problems_within_bounds() -> None:
    became, wrong = fuzz(10_000, seed=0)
    assert wrong == []
    assert all(became[f"{kind}: {what}"] > 100 for kind in KINDS for what in ("jobs", "refused"))
