"""Essentia's detectors with their own limits: reads paths from its input, writes a JSON list of names for each.

Runs in an environment of its own that has essentia and soundfile; nothing of Soundmill is imported.
"""

from __future__ import annotations

import json
import sys

import essentia  # type: ignore[import-not-found]  # no dependency
import essentia.standard as es  # type: ignore[import-not-found]
import numpy as np
import soundfile

essentia.log.infoActive = essentia.log.warningActive = False  # they would stand among the answers
FRAME, HOP = 512, 256  # as in Essentia's own examples of these detectors


def names(path: str) -> list[str]:
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = np.ascontiguousarray(sound.mean(axis=1))
    by_frame = {
        "ClickDetector": es.ClickDetector(frameSize=FRAME, hopSize=HOP, sampleRate=rate),
        "DiscontinuityDetector": es.DiscontinuityDetector(frameSize=FRAME, hopSize=HOP),
        "SaturationDetector": es.SaturationDetector(frameSize=FRAME, hopSize=HOP, sampleRate=rate),
        "GapsDetector": es.GapsDetector(frameSize=2048, hopSize=1024, sampleRate=rate),
        "NoiseBurstDetector": es.NoiseBurstDetector(),
    }
    found = set()
    for name, detector in by_frame.items():
        size = 2048 if name == "GapsDetector" else FRAME
        hop = size // 2
        for frame in es.FrameGenerator(mono, frameSize=size, hopSize=hop, startFromZero=True):
            if len(np.atleast_1d(detector(frame) if name == "NoiseBurstDetector" else detector(frame)[0])):
                found.add(name)
    hum = es.HumDetector(sampleRate=rate)(mono)
    if len(np.atleast_1d(hum[1])):
        found.add("HumDetector")
    if sound.shape[1] == 2:
        stereo, _ = es.FalseStereoDetector()(np.ascontiguousarray(sound))
        if stereo:
            found.add("FalseStereoDetector")
    return sorted(found)


for line in sys.stdin:
    try:
        print(json.dumps(names(line.strip())), flush=True)
    except Exception as error:  # what it cannot read it does not find
        print(f"{line.strip()}: {error}", file=sys.stderr)
        print("[]", flush=True)
