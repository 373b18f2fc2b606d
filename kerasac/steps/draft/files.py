"""Recognise the files of a folder, by content first and by name where content does not tell."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import pyBigWig

from kerasac.errors import GenomeError, KerasacError
from kerasac.genome.assembly import open_text, read_chrom_sizes
from kerasac.genome.fold_files import read_fold_lists
from kerasac.steps.draft.peaks import bed_shape
from kerasac.steps.draft.tracks import NO_PEAK_WORDS, words

_BIGWIG_MAGIC = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")  # UCSC's, in either order of bytes
_OTHER_MAGIC = {
    b"\xeb\xf2\x89\x87": "a bigBed; bigBedToBed makes a BED file of it",
    b"\x43\x27\x41\x1a": "a 2bit; twoBitToFa makes a FASTA of it",
}
_INDICES = (".fai", ".gzi", ".bai", ".csi", ".tbi", ".crai")
_READS = re.compile(r"\.(bam|sam|cram)$|fragments?|tagalign|bedpe", re.IGNORECASE)
_PEAKS = re.compile(r"peak|overlap|idr|summit|conservative|optimal|relaxed", re.IGNORECASE)


class Kind(StrEnum):
    """What a file is for."""

    FASTA = "FASTA"
    CHROM_SIZES = "chromosome sizes"
    BLACKLIST = "blacklist"
    FOLDS = "fold table"
    SIGNAL = "bigWig"
    PEAKS = "peaks"
    AMBIGUOUS = "ambiguous regions"


class KnownFile(NamedTuple):
    """A file that was understood; ``has_summits`` of BED files: it is a narrowPeak file."""

    path: Path
    kind: Kind
    has_summits: bool = False


class Unused(NamedTuple):
    """A file that is not used, and why."""

    path: Path
    why: str


def recognise(folder: Path) -> tuple[list[KnownFile], list[Unused]]:
    """Tell what the files of a folder are, in the order of their names; hidden files and indices are passed over."""
    known: list[KnownFile] = []
    unused: list[Unused] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower().endswith(_INDICES):
            continue
        found = look_at(path)
        if isinstance(found, KnownFile):
            known.append(found)
        else:
            unused.append(found)
    return known, unused


def look_at(path: Path) -> KnownFile | Unused:
    """Tell what a file is."""
    if path.is_dir():
        is_array = (path / "__schema").is_dir()
        return Unused(path, "an array; kerasac-ray init --store drafts an experiment of it" if is_array else "a folder")
    try:
        return _look_at_file(path)
    except (KerasacError, OSError) as error:
        return Unused(path, f"cannot be read ({str(error).removeprefix(f'{path} ')})")


def _look_at_file(path: Path) -> KnownFile | Unused:
    with path.open("rb") as head:
        magic = head.read(4)
    if magic in _BIGWIG_MAGIC:
        return _bigwig(path)
    if magic in _OTHER_MAGIC:
        return Unused(path, _OTHER_MAGIC[magic])
    if _READS.search(path.name):
        return Unused(path, "reads; no track is made of them here")
    if not magic:
        return Unused(path, "empty")
    with open_text(path) as lines:
        first = lines.readline()
    if first.startswith(">"):
        return KnownFile(path, Kind.FASTA)
    if first.startswith("{"):
        return _json(path)
    if first.startswith("dataset\t") or path.name == "attributes.tsv":
        return Unused(path, "a table of an ingest by its name; new ones are written")
    return _table(path)


def _bigwig(path: Path) -> KnownFile | Unused:
    try:
        with pyBigWig.open(str(path)) as bigwig:
            return KnownFile(path, Kind.SIGNAL) if bigwig.isBigWig() else Unused(path, "no bigWig")
    except RuntimeError:
        return Unused(path, "a bigWig that is not whole; make or download it again")


def _json(path: Path) -> KnownFile | Unused:
    try:
        read_fold_lists([path])
    except (KerasacError, json.JSONDecodeError):
        return Unused(path, "JSON, but no fold table")
    return KnownFile(path, Kind.FOLDS)


def _table(path: Path) -> KnownFile | Unused:
    shape = bed_shape(path)
    if shape is None:
        try:
            read_chrom_sizes(path)
        except GenomeError:
            return Unused(path, "not understood")
        return KnownFile(path, Kind.CHROM_SIZES)
    name, said = path.name.lower(), words(path.name)
    if "blacklist" in name:
        return KnownFile(path, Kind.BLACKLIST)
    if "ambig" in name:
        return KnownFile(path, Kind.AMBIGUOUS)
    if said & NO_PEAK_WORDS:
        return Unused(path, "background windows by its name; sampling.negatives.bed takes them")
    if shape.has_summits or _PEAKS.search(name):
        return KnownFile(path, Kind.PEAKS, shape.has_summits)
    return Unused(path, "a BED file whose name says neither peaks, ambiguous nor blacklist; if it is peaks: --peaks")
