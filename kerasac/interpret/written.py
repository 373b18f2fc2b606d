"""Tell files of an explanation from those of others, so that it goes on and replaces nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py

from kerasac.cache import write_whole
from kerasac.errors import RunError
from kerasac.interpret.contribution_files import ContributionLayout


@dataclass(frozen=True)
class Mark:
    """What the files of an explanation are known by.

    HDF5 has ``job``, its digest, and ``layout`` as attributes. Arrays have none: ``record`` says digests, by file name.
    What all heads share is known by its windows: chrombpnet's BED file by its text, ``regions``, the array of bases by
    ``windows``, a digest.
    """

    job: str
    layout: ContributionLayout
    windows: str
    regions: str
    record: Path

    def are_there(self, files: Sequence[Path], *, overwrite: bool) -> bool:
        """Whether all files are there, and of this explanation.

        Raises
        ------
        RunError
            When one is something else and is not to be overwritten.
        """
        there = [path for path in files if path.exists()]
        if not there or overwrite:
            return False
        others = [path for path in there if not self._is_on(path)]
        if others:
            raise RunError(
                f"{others[0]} is there already, and not of these models, windows and settings; choose another --out, "
                "or --overwrite"
            )
        return len(there) == len(files)

    def claim(self, files: Sequence[Path]) -> None:
        """Remove files of others before any is written, so that each that is there is this explanation's."""
        for path in files:
            if path.exists() and not self._is_on(path):
                path.unlink()
        arrays = {path.name: self._digest_of(path) for path in files if path.suffix == ".npy"}
        if arrays:
            write_whole(self.record, json.dumps({**self._recorded(), **arrays}, indent=2) + "\n")

    def _is_on(self, path: Path) -> bool:
        if path.suffix == ".bed":
            return path.read_bytes() == self.regions.encode()
        if path.suffix == ".npy":
            return self._recorded().get(path.name) == self._digest_of(path)
        return _attributes(path) == (self.job, self.layout)

    def _digest_of(self, path: Path) -> str:
        return self.windows if path.name.endswith(".seq.npy") else self.job

    def _recorded(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found


def _attributes(path: Path) -> tuple[str, str] | None:
    """Return the digest and the layout of the explanation that a file holds; None of any other file."""
    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("job")), str(file.attrs.get("layout"))
    except OSError:
        return None
