"""benchmarks/juries.py in small: what a listening test finds of simulated juries."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "juries.py"


@pytest.fixture(scope="module")
def juries() -> ModuleType:
    spec = importlib.util.spec_from_file_location("juries", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["juries"] = module
    spec.loader.exec_module(module)
    return module


def test_intervals_hold_and_chosen_pairs_name_the_best_sooner(juries: ModuleType) -> None:
    chosen, by_lot = (juries.tried(24, 160, seed=7, by_lot=lot) for lot in (False, True))
    assert 0.90 < chosen.coverage < 0.99
    assert 0.90 < by_lot.coverage < 0.99
    assert chosen.wrong <= 2
    assert np.isfinite(chosen.named).sum() > np.isfinite(by_lot.named).sum()
