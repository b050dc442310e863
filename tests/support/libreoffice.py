"""LibreOffice without a screen: the spreadsheets and the CSV that it writes for people in different places."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.missing import missing

# What stands between the cells of the CSV that Excel writes there; LibreOffice offers commas everywhere.
SEPARATORS = {"de-DE": ";", "fr-FR": ";", "tr-TR": ";", "ja-JP": ",", "en-US": ","}
UTF_8, SHIFT_JIS, WINDOWS_1252 = 76, 64, 1  # as LibreOffice numbers them
LOCALE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>%s</value></prop>
</item></oor:items>
"""


class LibreOffice:
    """Converts files in `folder`, where each locale has a profile of its own."""

    def __init__(self, folder: Path) -> None:
        self._program = shutil.which("soffice") or missing("LibreOffice is not installed; .ci/run does that")
        self._folder = folder

    def convert(self, files: Sequence[Path], suffix: str, locale: str, options: str = "") -> list[Path]:
        """New files beside no others; `options` are those of the suffix's filter."""
        profile = self._folder / f"profile-{locale}"
        settings = profile / "user" / "registrymodifications.xcu"
        if not settings.exists():
            settings.parent.mkdir(parents=True)
            settings.write_text(LOCALE % locale, encoding="utf-8")
        out = self._folder / f"{locale} {suffix} {options.replace(',', '_')}"
        start = [self._program, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--convert-to"]
        made = subprocess.run(
            [*start, f"{suffix}:{options}" if options else suffix, "--outdir", str(out), *map(str, files)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        paths = [out / f"{file.stem}.{suffix}" for file in files]
        assert all(path.exists() for path in paths), made.stdout + made.stderr
        return paths

    def csv(self, files: Sequence[Path], locale: str, separator: str, characters: int = UTF_8) -> list[Path]:
        """As "Save as CSV" writes it: every cell as it is shown."""
        filtered = f"Text - txt - csv (StarCalc):{ord(separator)},34,{characters},1,,0,false,true"
        return self.convert(files, "csv", locale, filtered)
