"""The quality room, what was learned: how much each sign of a step of pitch counts.

Written by benchmarks/defects/learn.py, from 832 clips of learn, test, fresh: the weights of a
logistic regression, in the logarithm of the odds.
"""

from collections.abc import Mapping

PITCH_STEP: Mapping[str, float] = {
    "at_once_moved": 2.608,
    "long_moved": 1.757,
    "whole_moved": 3.378,
    "fine_moved": 3.705,
    "wide_moved": 3.938,
    "at_once_still": -1.063,
    "long_still": 1.323,
    "whole_still": -5.924,
    "fine_still": -1.973,
    "wide_still": -4.648,
    "at_once_else": -5.411,
    "long_else": 0.352,
    "whole_else": -0.021,
    "fine_else": -4.112,
    "wide_else": 3.409,
    "gain": 2.466,
    "usual_gain": -3.001,
    "lead": -0.968,
    "rise": -0.121,
    "bias": -3.788,
}
