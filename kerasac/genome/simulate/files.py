"""Write a simulated genome as the files that ingest and an experiment read."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyBigWig
import pysam

from kerasac.errors import GenomeError
from kerasac.genome.simulate.chromosome import Element, MotifInstance, SimulatedChrom, Simulation, simulate_chrom

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
RECORD_NAME = "simulation.json"
SUMMIT_SMOOTHING_BP = 51


class SimulatedGenome(NamedTuple):
    """The files of a simulated genome."""

    folder: Path
    fasta: Path
    chrom_sizes: Path
    plus_bw: Path
    minus_bw: Path
    peaks: Path
    ambiguous: Path
    truth: Path
    metadata: Path
    attributes: Path


def genome_files(folder: Path) -> SimulatedGenome:
    """Name the files that ``simulate`` writes to a folder, whether they are there or not."""
    return SimulatedGenome(
        folder=folder,
        fasta=folder / "genome.fa",
        chrom_sizes=folder / "chrom.sizes",
        plus_bw=folder / "signal.plus.bw",
        minus_bw=folder / "signal.minus.bw",
        peaks=folder / "peaks.narrowPeak",
        ambiguous=folder / "ambiguous.bed",
        truth=folder / "truth.tsv",
        metadata=folder / "metadata.tsv",
        attributes=folder / "attributes.tsv",
    )


def is_simulated(simulation: Simulation, folder: Path) -> bool:
    """Tell whether the folder holds the whole genome of this very simulation."""
    record = folder / RECORD_NAME
    return record.exists() and record.read_text() == _record(simulation)


def simulate(simulation: Simulation, folder: Path) -> SimulatedGenome:
    """Write a simulated genome to a folder; ``simulation.json`` comes last, so its presence means a whole genome.

    The peaks are not called from the counts: they are the elements whose expected counts reach ``peak_counts``.
    Elements between ``ambiguous_counts`` and that are ambiguous; weaker ones stay in the background. Only summits
    (the top of the smoothed counts), signal values and scores come from the counts drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD_NAME).unlink(missing_ok=True)
    chroms = [simulate_chrom(simulation, i) for i in range(simulation.n_chroms)]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        files = genome_files(Path(partial))
        _write_fasta(files.fasta, chroms)
        files.chrom_sizes.write_text(_tsv(simulation.chrom_sizes.items()))
        _write_bigwig(files.plus_bw, chroms, strand=0)
        _write_bigwig(files.minus_bw, chroms, strand=1)
        _write_regions(files, chroms, simulation)
        _write_truth(files.truth, chroms)
        _write_ingest_tables(files)
        for path in files.folder.iterdir():
            path.replace(folder / path.name)
        record = files.folder / RECORD_NAME
        record.write_text(_record(simulation))
        record.replace(folder / RECORD_NAME)
    n_elements = sum(len(chrom.elements) for chrom in chroms)
    logger.info("simulated %d chromosomes with %d elements in %s", len(chroms), n_elements, folder)
    return genome_files(folder)


def read_truth(path: Path) -> list[MotifInstance]:
    """Read every planted motif site, decoys included, in genome order."""
    header, *lines = path.read_text().splitlines() or [""]
    if tuple(header.split("\t")) != MotifInstance._fields:
        raise GenomeError(f"{path} line 1: expected the columns {' '.join(MotifInstance._fields)}, found {header!r}")
    rows = (line.split("\t") for line in lines)
    return [
        MotifInstance(chrom, int(start), int(end), strand, motif, float(score), float(strength), element)
        for chrom, start, end, strand, motif, score, strength, element in rows
    ]


def _write_fasta(path: Path, chroms: Sequence[SimulatedChrom], *, line_bp: int = 100) -> None:
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)
    with path.open("w") as fasta:
        for chrom in chroms:
            sequence = letters[chrom.tokens].tobytes().decode()
            fasta.write(f">{chrom.name}\n")
            fasta.writelines(f"{sequence[i : i + line_bp]}\n" for i in range(0, len(sequence), line_bp))
    pysam.faidx(str(path))


def _write_bigwig(path: Path, chroms: Sequence[SimulatedChrom], *, strand: int) -> None:
    """Write the bases that were cut, one entry each; every chromosome is in the header, cut or not."""
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader([(chrom.name, len(chrom.tokens)) for chrom in chroms])
        for chrom in chroms:
            starts = np.flatnonzero(chrom.counts[strand])
            if len(starts):
                bigwig.addEntries(chrom.name, starts, values=chrom.counts[strand, starts].astype(float), span=1)


def _write_regions(files: SimulatedGenome, chroms: Sequence[SimulatedChrom], simulation: Simulation) -> None:
    peaks: list[tuple[object, ...]] = []
    ambiguous: list[tuple[object, ...]] = []
    for chrom in chroms:
        for element in chrom.elements:
            if element.expected_counts >= simulation.peak_counts:
                peaks.append(_narrow_peak(element, chrom, simulation.background_rate))
            elif element.expected_counts >= simulation.ambiguous_counts:
                ambiguous.append((element.chrom, element.start, element.end))
    files.peaks.write_text(_tsv(peaks))
    files.ambiguous.write_text(_tsv(ambiguous))


def _narrow_peak(element: Element, chrom: SimulatedChrom, background_rate: float) -> tuple[object, ...]:
    """Make the ten columns; the signal is counts over expected background, p and q are not assigned (−1)."""
    pileup = chrom.counts[:, element.start : element.end].sum(axis=0)
    summit = int(np.argmax(np.convolve(pileup, np.ones(SUMMIT_SMOOTHING_BP), mode="same")))
    signal = float(pileup.sum()) / max(2 * background_rate * len(pileup), 1.0)
    score = min(1000, round(10 * signal))
    return (element.chrom, element.start, element.end, element.name, score, ".", f"{signal:.3f}", -1, -1, summit)


def _write_truth(path: Path, chroms: Sequence[SimulatedChrom]) -> None:
    def rows() -> Iterator[tuple[object, ...]]:
        yield MotifInstance._fields
        for chrom in chroms:
            sites = [site for element in chrom.elements for site in element.sites]
            yield from sorted([*sites, *chrom.decoys], key=lambda site: site.start)

    path.write_text(_tsv(rows()))


def _write_ingest_tables(files: SimulatedGenome) -> None:
    tracks = {
        "count_plus": (files.plus_bw.name, "bigwig"),
        "count_minus": (files.minus_bw.name, "bigwig"),
        "peak": (files.peaks.name, "bed_summit_from_last_col"),
        "ambig": (files.ambiguous.name, "bed_no_summit"),
    }
    files.attributes.write_text(_tsv((track, kind) for track, (_file, kind) in tracks.items()))
    files.metadata.write_text(_tsv([("dataset", *tracks), ("simulated", *(file for file, _kind in tracks.values()))]))


def _tsv(rows: Iterable[tuple[object, ...]]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def _record(simulation: Simulation) -> str:
    return json.dumps({"format_version": FORMAT_VERSION, **asdict(simulation)}, indent=2) + "\n"
