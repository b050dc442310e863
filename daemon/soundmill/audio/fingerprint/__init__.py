"""The audio room, fingerprints: by which a sound is known again, and sounds like it are found."""
