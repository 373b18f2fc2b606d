"""Read 5' ends from BAM files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pysam

from kerasac.errors import StoreError
from kerasac.genome.assembly import Assembly, IntArray, check_same_sizes
from kerasac.store.reads.ends import UNKNOWN_CHROMOSOME, Chromosomes, Chunk, Sieve
from kerasac.store.reads.spec import Dedup, ReadsSpec

CHUNK_READS = 200_000


def read_alignments(path: Path, assembly: Assembly, spec: ReadsSpec) -> Iterator[Chunk]:
    """Yield the 5' ends of aligned reads: the first aligned base, on the minus strand the last one.

    Soft-clipped bases are not aligned. The order of the reads does not matter, and no index is needed.

    Raises
    ------
    StoreError, GenomeError
        When the file is cut short, holds no reads, or its header is of another assembly.
    """
    n_reads = 0
    with _opened(path) as bam:
        sizes = dict(zip(bam.references, bam.lengths, strict=True))
        chromosomes = Chromosomes(path, assembly)
        index = chromosomes.index(list(sizes))
        chromosomes.check_any()
        check_same_sizes({name: size for name, size in assembly.as_dict().items() if name in sizes}, sizes, str(path))
        reads = bam.fetch(until_eof=True)
        while len(columns := _columns(islice(reads, CHUNK_READS))):
            n_reads += len(columns)
            yield _chunk(columns, index, assembly, spec)
    if n_reads == 0:
        raise StoreError(f"{path} holds no reads")


def _columns(reads: Iterable[pysam.AlignedSegment]) -> IntArray:
    """Return flag, chromosome, start, end, mapping quality and template length, a row a read."""
    rows = [
        (r.flag, r.reference_id, r.reference_start, r.reference_end or -1, r.mapping_quality, r.template_length)
        for r in reads
    ]
    return np.array(rows, dtype=np.int64)


def _chunk(columns: IntArray, index: IntArray, assembly: Assembly, spec: ReadsSpec) -> Chunk:
    flag, reference, start, end, mapq, template = columns.T
    sieve = Sieve(len(flag), ends_per_row=1)
    sieve.drop(((flag & pysam.FUNMAP) > 0) | (reference < 0) | (end <= start), "unmapped")
    sieve.drop((flag & pysam.FSECONDARY) > 0, "secondary")
    sieve.drop((flag & pysam.FSUPPLEMENTARY) > 0, "supplementary")
    sieve.drop((flag & pysam.FQCFAIL) > 0, "failed quality control")
    chrom = index[reference]
    sieve.drop(chrom < 0, UNKNOWN_CHROMOSOME)
    if spec.dedup != Dedup.NONE:
        sieve.drop((flag & pysam.FDUP) > 0, "marked as a duplicate")
    sieve.drop(mapq < spec.min_mapq, f"of a mapping quality below {spec.min_mapq}")
    # A pair's length is the fragment's; of a read without a mate its start alone tells duplicates apart.
    span = np.abs(template)
    sieve.drop((span > 0) & (span < spec.min_fragment_bp), f"of a fragment below {spec.min_fragment_bp} bp")
    is_minus = (flag & pysam.FREVERSE) > 0
    plus = sieve.placed(assembly, chrom, start, span, ~is_minus)
    minus = sieve.placed(assembly, chrom, end - 1, span, is_minus)
    return Chunk(plus, minus, len(flag), sieve.skipped)


@contextmanager
def _opened(path: Path) -> Iterator[pysam.AlignmentFile]:
    verbosity = pysam.set_verbosity(0)  # what htslib prints comes as an exception too
    try:
        with pysam.AlignmentFile(str(path), "rb") as bam:
            yield bam
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read as BAM ({error}); make or download it again") from error
    finally:
        pysam.set_verbosity(verbosity)
