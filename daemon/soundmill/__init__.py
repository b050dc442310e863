"""Soundmill: an audio factory that is fed by dropping job files into a folder."""

import os

__version__ = "0.1.0"

# Pydantic would read the metadata of every installed package in search of plugins: a tenth of a second at each start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
