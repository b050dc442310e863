"""What lies low is looked for at a lower rate, had without the half second that importing scipy.signal takes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import resample_poly

from soundmill.quality.detectors.spectrum.slower import slower


@pytest.mark.parametrize(("length", "by"), [(256_000, 32), (4410, 44), (37, 5), (1000, 1), (0, 8)])
def test_it_is_what_scipy_has(length: int, by: int) -> None:
    wave = np.random.default_rng(1).normal(0, 0.1, length).astype(np.float32)
    found = slower(wave, by)
    assert found.dtype == np.float32 and found.size == -(-length // by)
    if length:
        np.testing.assert_allclose(found, resample_poly(wave, 1, by), atol=1e-7)


@pytest.mark.parametrize("module", ["soundmill.engine.finishing", "soundmill.commands.qc"])
def test_who_measures_loads_no_more_of_scipy_than_transforms_and_filters(module: str) -> None:
    probe = f"import sys, {module}, soundmill.quality.measure\nprint([m for m in sys.modules if m == 'scipy.signal'])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
