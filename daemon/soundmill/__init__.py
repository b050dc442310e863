"""Soundmill: an audio factory that is fed by dropping job files into a folder."""

__version__ = "0.1.0"
