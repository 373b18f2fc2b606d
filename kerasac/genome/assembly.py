"""Name the chromosomes of a genome, their sizes, and where each lies on one long axis."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO, cast

import numpy as np
import numpy.typing as npt

from kerasac.errors import GenomeError, suggest

IntArray = npt.NDArray[np.int64]

_ENCODING = "utf-8-sig"  # spreadsheets begin their files with a byte order mark


@dataclass(frozen=True)
class Assembly:
    """Chromosomes in the order of their offsets.

    Base ``p`` of chromosome ``c`` is row ``offsets[c] + p`` of every genome-long array
    (seqdataloader's convention, used for tracks and tokens alike).
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.sizes):
            raise GenomeError(f"{len(self.names)} chromosome names but {len(self.sizes)} sizes")
        counts = Counter(self.names)
        for name, size in zip(self.names, self.sizes, strict=True):
            if counts[name] > 1:
                raise GenomeError(f"chromosome {name} is listed twice; keep one line per chromosome")
            if size < 1:
                raise GenomeError(f"chromosome {name} has {size} bases; leave it out")

    @cached_property
    def offsets(self) -> IntArray:
        """Row of each chromosome's base 0, shape (n_chroms,), int64."""
        return np.concatenate([[0], np.cumsum(self.sizes, dtype=np.int64)[:-1]]).astype(np.int64)

    @cached_property
    def sizes_bp(self) -> IntArray:
        """Chromosome lengths in bases, shape (n_chroms,), int64."""
        return np.asarray(self.sizes, dtype=np.int64)

    @property
    def total_bp(self) -> int:
        """Bases in the whole genome."""
        return int(sum(self.sizes))

    def index(self, chrom: str) -> int:
        """Return the position of a chromosome; raises GenomeError with a hint when it is unknown."""
        try:
            return self._index[chrom]
        except KeyError:
            raise GenomeError(f"chromosome {chrom!r} is not in this genome{naming_hint([chrom], self.names)}") from None

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def __contains__(self, chrom: object) -> bool:
        return chrom in self._index

    def as_dict(self) -> dict[str, int]:
        """Sizes by name, in order."""
        return dict(zip(self.names, self.sizes, strict=True))


def read_chrom_sizes(path: Path) -> Assembly:
    """Read a chromosome-sizes file (two tab-separated columns) or a FASTA index (its first two)."""
    sizes: dict[str, int] = {}
    with open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.rstrip("\n").split("\t")
            if len(fields) < 2 or not fields[1].strip().isdigit():
                raise GenomeError(f"{path} line {number}: expected 'name<TAB>size', found {line.strip()!r}")
            if fields[0] in sizes:
                raise GenomeError(f"{path} line {number}: chromosome {fields[0]} is listed twice")
            sizes[fields[0]] = int(fields[1])
    if not sizes:
        raise GenomeError(f"{path} lists no chromosome; expected lines of 'name<TAB>size'")
    return Assembly(tuple(sizes), tuple(sizes.values()))


def naming_hint(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Explain the usual reason why chromosome names do not match: ``chr1`` in one file, ``1`` in another."""
    unknown, known = list(unknown), list(known)
    renamed = renamed_chromosome(unknown, known)
    if renamed is not None:
        ours, theirs = renamed
        subject = "it" if ours == unknown[0] else repr(ours)
        return f": {subject} is called {theirs!r} there, {ours!r} here; use one naming (chr1 or 1) in all files"
    return suggest(unknown[0], known) if unknown else ""


def renamed_chromosome(unknown: Iterable[str], known: Iterable[str]) -> tuple[str, str] | None:
    """Return the first unknown name that differs from a known one only by ``chr``, and the known one."""
    known = set(known)
    for name in unknown:
        other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
        if other in known:
            return name, other
    return None


def check_same_sizes(ours: Mapping[str, int], theirs: Mapping[str, int], what: str) -> None:
    """Raise GenomeError unless every chromosome of ``ours`` is in ``theirs`` with the same length."""
    missing = [name for name in ours if name not in theirs]
    if missing:
        raise GenomeError(f"chromosome {missing[0]!r} is not in {what}{naming_hint(missing, theirs)}")
    for name, size in ours.items():
        if theirs[name] != size:
            raise GenomeError(
                f"chromosome {name} has {size:,} bases here but {theirs[name]:,} in {what}; "
                "the files are of different assemblies"
            )


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file for reading, gzipped or not, with or without a byte order mark.

    Raises
    ------
    GenomeError
        Names a file that is missing, cut short, damaged, or no text.
    """
    if not path.is_file():
        raise GenomeError(f"{path} is a folder; name a file" if path.is_dir() else f"{path} does not exist")
    with path.open("rb") as head:
        gzipped = head.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rt", encoding=_ENCODING) if gzipped else path.open(encoding=_ENCODING) as lines:
            yield cast(TextIO, lines)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise GenomeError(f"{path} is not a whole gzip file ({error}); make or download it again") from error
    except UnicodeDecodeError as error:
        raise GenomeError(
            f"{path} is not a text file ({error.reason} at byte {error.start:,}); name another"
        ) from error
