"""Turn a FASTA file into one memory-mapped array of base tokens, and tokens into their reverse complement."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pysam

from kerasac.cache import built_once, cache_folder, digest, file_facts
from kerasac.errors import GenomeError
from kerasac.genome.assembly import Assembly, check_same_sizes

TokenArray = npt.NDArray[np.uint8]

A, C, G, T, N = range(5)
FORMAT_VERSION = 1

logger = logging.getLogger(__name__)

_TOKEN_OF_BYTE = np.full(256, N, dtype=np.uint8)
for _letter, _token in zip("ACGT", (A, C, G, T), strict=True):
    _TOKEN_OF_BYTE[[ord(_letter), ord(_letter.lower())]] = _token
_COMPLEMENT = np.array([T, G, C, A, N], dtype=np.uint8)


def encode(sequence: str) -> TokenArray:
    """Encode DNA letters, of either case, as tokens A0 C1 G2 T3; any other letter is N4.

    Returns
    -------
    array, shape (len(sequence),), uint8.
    """
    return _TOKEN_OF_BYTE[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]


def reverse_complement(tokens: TokenArray) -> TokenArray:
    """Reverse the last axis and complement every base; N stays N. Applied twice it is the identity."""
    return _COMPLEMENT[tokens[..., ::-1]]


def token_genome(fasta: Path, assembly: Assembly) -> Path:
    """Return the cached ``.npy`` file of the genome's tokens, building it when the FASTA is new or changed.

    The array has shape (assembly.total_bp,), uint8; base ``p`` of chromosome ``c`` is at
    ``assembly.offsets[c] + p``. Chromosomes of the FASTA that the assembly does not name are left out.

    Raises
    ------
    GenomeError
        When the FASTA is missing, lacks a chromosome of the assembly, or has another length for it.
    """
    check_fasta(fasta, assembly)
    # A list, not a mapping: the order of the chromosomes decides where each one lies.
    sizes = list(assembly.as_dict().items())
    key = digest({**file_facts(fasta), "sizes": sizes, "version": FORMAT_VERSION})
    target = cache_folder() / "tokens" / f"{fasta.name.split('.')[0]}-{key}.npy"
    return built_once(target, partial(_write_tokens, fasta, assembly))


def check_fasta(fasta: Path, assembly: Assembly) -> None:
    """Raise GenomeError unless the FASTA holds every chromosome of the assembly at the same length."""
    if not fasta.exists():
        raise GenomeError(f"genome.fasta: {fasta} does not exist")
    with _open_fasta(fasta) as handle:
        sizes = dict(zip(handle.references, handle.lengths, strict=True))
    check_same_sizes(assembly.as_dict(), sizes, f"the FASTA {fasta}")


def _write_tokens(fasta: Path, assembly: Assembly, target: Path) -> None:
    logger.info("encoding %s (%s bases) as tokens, once", fasta.name, f"{assembly.total_bp:,}")
    with target.open("wb") as out, _open_fasta(fasta) as handle:
        header = {"descr": "|u1", "fortran_order": False, "shape": (assembly.total_bp,)}
        np.lib.format.write_array_header_1_0(out, header)
        for chrom in assembly.names:
            out.write(encode(handle.fetch(chrom)).tobytes())


def _open_fasta(fasta: Path) -> pysam.FastaFile:
    """Open a FASTA by an index of our own.

    The ``.fai`` beside it may be of an older FASTA, which htslib does not notice, and its folder may be read-only.
    """
    target = cache_folder() / "indices" / f"{fasta.name}-{digest(file_facts(fasta))}"
    try:
        index = built_once(target, partial(_write_index, fasta))
        bgzip = index / "gzi"
        return pysam.FastaFile(
            str(fasta),
            filepath_index=str(index / "fai"),
            filepath_index_compressed=str(bgzip) if bgzip.exists() else None,
        )
    except (OSError, ValueError, pysam.SamtoolsError) as error:
        raise GenomeError(
            f"cannot read {fasta} as FASTA ({error}); it must be plain or bgzip: gunzip -c FILE | bgzip > OTHER"
        ) from error


def _write_index(fasta: Path, target: Path) -> None:
    target.mkdir()
    pysam.faidx("--fai-idx", str(target / "fai"), "--gzi-idx", str(target / "gzi"), str(fasta))
