"""Before anything imports torch: what the daemon sets for its engine processes holds for backends in tests too."""

from __future__ import annotations

import os

from soundmill.engine.child import QUIET_WAITING

for name, value in QUIET_WAITING.items():
    os.environ.setdefault(name, value)
