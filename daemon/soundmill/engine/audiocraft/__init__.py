"""All that imports the package audiocraft. What this file imports comes first, so what AudioCraft's libraries print is
known, and its ballast left out, whichever module here is asked for."""

from __future__ import annotations

from soundmill.engine import quiet  # noqa: F401  xformers speaks while it is imported
from soundmill.engine.audiocraft import lean  # noqa: F401
