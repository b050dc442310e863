"""Inbox: draws the points of a sampled design, in a process of its own: scipy is too heavy for the daemon's.

`python -m soundmill.inbox.jobfile.points` reads a Draw as JSON from its standard input and prints the points.
The same Draw gives the same points, so a file that is read again after a crash asks for the same jobs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from soundmill.errors import SoundmillError

LONGEST_DRAW_S = 40.0  # loading scipy takes two seconds, more on a busy machine; the points milliseconds

Points = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """`count` points in the unit cube of `factors` dimensions. A Sobol sequence goes on after `skip` points;
    Latin hypercubes are stratified each by itself, so theirs must have a seed of its own for each block."""

    design: str  # latin_hypercube or sobol
    factors: int
    skip: int
    count: int
    seed: int


def draw(wanted: Draw) -> Points:
    """The points, from scipy.stats.qmc: one per stratum of each axis (McKay et al. 1979), or a Sobol' sequence
    with Owen's scrambling as Matousek (1998) does it. Needs scipy in this process."""
    from scipy.stats import qmc

    if wanted.design == "latin_hypercube":
        points = qmc.LatinHypercube(wanted.factors, rng=wanted.seed).random(wanted.count)
    else:
        sequence = qmc.Sobol(wanted.factors, scramble=True, rng=wanted.seed)
        if wanted.skip:
            sequence.fast_forward(wanted.skip)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a count that is no power of two is the person's choice
            points = sequence.random(wanted.count)
    drawn: Points = points.tolist()
    return drawn


def draw_apart(wanted: Draw) -> Points:
    """`draw` in a process of its own. Raises SoundmillError when that fails or takes too long."""
    command = [sys.executable, "-P", "-m", "soundmill.inbox.jobfile.points"]
    try:
        done = subprocess.run(
            command, input=json.dumps(asdict(wanted)).encode(), capture_output=True, timeout=LONGEST_DRAW_S, check=True
        )
        points: Points = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SoundmillError(
            f"the points of the design could not be drawn ({said[-1] if said else f'exit status {error.returncode}'})"
        ) from error
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SoundmillError(f"the points of the design could not be drawn ({error})") from error
    return points


if __name__ == "__main__":
    json.dump(draw(Draw(**json.load(sys.stdin))), sys.stdout)
