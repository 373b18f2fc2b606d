"""Say what a person names for a draft, and how a path is written into a file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from kerasac.cache import shown, url_of
from kerasac.errors import ConfigError

_MOST_STEPS_UP = 2


@dataclass(frozen=True)
class Given:
    """What a person named, by option; it wins over what is found.

    ``peaks`` is a BED file of regions, ``peak_attribute`` a track whose positions are sampled: one or none of them.
    """

    fasta: Path | None = None
    chrom_sizes: Path | None = None
    peaks: Path | None = None
    peak_attribute: str | None = None
    blacklist: Path | None = None
    folds: tuple[Path, ...] = ()
    name: str | None = None

    def check(self) -> None:
        """Raise ConfigError for a file that is not there, and for two kinds of peaks."""
        files = [
            ("--fasta", self.fasta),
            ("--chrom-sizes", self.chrom_sizes),
            ("--peaks", self.peaks),
            ("--blacklist", self.blacklist),
            *(("--folds", path) for path in self.folds),
        ]
        for option, path in files:
            if path is not None and url_of(path) is None and not path.is_file():
                raise ConfigError(f"{option} {path} is not a file; correct the path")
        if self.peaks is not None and self.peak_attribute is not None:
            raise ConfigError("--peaks samples the regions of a file, --peak-attribute a track's positions; give one")


def written_path(path: Path, folder: Path) -> str:
    """Return a path as a file in ``folder`` names it: relative when it lies below or near, else absolute.

    Near is at most two folders up, and not by way of the root. A URL stays one.
    """
    if url_of(path) is not None:
        return shown(path)
    # By the names that were given first: a link below the folder is below it, wherever it leads.
    path, folder = path.absolute(), folder.absolute()
    if path.is_relative_to(folder):
        return str(path.relative_to(folder))
    # Who follows "..", follows it from where a folder really lies.
    there, here = path.parent.resolve() / path.name, folder.resolve()
    relative = Path(os.path.relpath(there, here))
    n_up = relative.parts.count("..")
    near = n_up <= _MOST_STEPS_UP and len(here.parts) > n_up + 1
    return str(relative if near else path)


def plain_name(text: str) -> str:
    """Return a text as an experiment's or dataset's name: letters, digits, dots, dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-") or "experiment"
