"""Read 5' ends from whichever format a file has."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store.reads.alignments import read_alignments
from kerasac.store.reads.ends import Chunk
from kerasac.store.reads.lines import first_fields, read_fragments, read_tagalign
from kerasac.store.reads.spec import ReadsFormat, ReadsSpec

# The empty block at the end of a bgzip file (SAM specification, 4.1.2).
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

_READERS = {
    ReadsFormat.BAM: read_alignments,
    ReadsFormat.FRAGMENTS: read_fragments,
    ReadsFormat.TAGALIGN: read_tagalign,
}


def read_ends(path: Path, assembly: Assembly, spec: ReadsSpec) -> Iterator[Chunk]:
    """Yield the 5' ends in a file of reads, unshifted, a bounded number at a time.

    Raises
    ------
    StoreError, GenomeError
        When the file is missing, malformed or cut short, or not of this assembly.
    """
    kind = reads_format(path)
    if spec.format is not None and (spec.format == ReadsFormat.BAM) != (kind == ReadsFormat.BAM):
        raise StoreError(f"{path} is {kind}, not {spec.format}")
    kind = spec.format or kind
    if spec.barcodes is not None and kind != ReadsFormat.FRAGMENTS:
        raise StoreError(f"barcodes are looked for in fragment files only; {path} is {kind}")
    if spec.min_fragment_bp > 0 and kind == ReadsFormat.TAGALIGN:
        raise StoreError(f"{path} is tagAlign, whose reads have no fragment length; leave min_fragment_bp out")
    yield from _READERS[kind](path, assembly, spec)


def reads_format(path: Path) -> ReadsFormat:
    """Tell a file's format by its content.

    A BAM file begins as one. Text is tagAlign when its sixth column is a strand, or its name says so; otherwise its
    lines are fragments.

    Raises
    ------
    StoreError
        When the file is missing or of a format that does not tell where fragments begin and end.
    """
    if not path.is_file():
        raise StoreError(f"{path} does not exist")
    _check_whole_bgzip(path)
    head = _head(path)
    if head.startswith(b"BAM\1"):
        return ReadsFormat.BAM
    if head.startswith(b"CRAM"):
        raise StoreError(f"{path} is CRAM; write it as BAM: samtools view -b -T GENOME.fa -o OUT.bam {path.name}")
    if head.startswith(b"@HD\t") or head.startswith(b"@SQ\t"):
        raise StoreError(f"{path} is SAM; write it as BAM: samtools view -b -o OUT.bam {path.name}")
    fields = first_fields(path)
    strand = fields[5].strip() if len(fields) > 5 else None
    if "tagalign" in path.name.lower() or strand in ("+", "-"):
        return ReadsFormat.TAGALIGN
    if strand is not None and strand.isdigit() and fields[4].isdigit():
        raise StoreError(
            f"{path} is BEDPE; write fragments: the chromosome, the first read's start, the last one's end"
        )
    return ReadsFormat.FRAGMENTS


def _head(path: Path) -> bytes:
    with path.open("rb") as plain:
        head = plain.read(4)
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        with gzip.open(path) as inner:
            return inner.read(4)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StoreError(f"{path} is not a whole gzip file ({error}); make or download it again") from error


def _check_whole_bgzip(path: Path) -> None:
    """Raise StoreError for a bgzip file without its end: one cut between two blocks reads as whole."""
    with path.open("rb") as source:
        head = source.read(14)
        if not (head.startswith(b"\x1f\x8b\x08\x04") and head.endswith(b"BC")):
            return
        source.seek(max(0, path.stat().st_size - len(_BGZIP_END)))
        if source.read() != _BGZIP_END:
            raise StoreError(f"{path} is cut short: it lacks bgzip's end-of-file block; make or download it again")
