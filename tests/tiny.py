"""Make a tiny genome, array and experiment, whose signal follows a planted motif, for tests that need real files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tiledb

from kerasac.config import Experiment, make_experiment
from kerasac.genome.assembly import Assembly
from kerasac.store.schema import create_array

ASSEMBLY = Assembly(("chr1", "chr2", "chr3", "chr4", "chr5"), (40_000, 36_000, 32_000, 28_000, 24_000))
DATASETS = ("tiny", "other")
PEAKS_PER_CHROM = 24
MOTIF = "TGACTCAG"
INPUT_FLANK, OUTPUT_FLANK = 100, 30

_HALF_PEAK = 40
_TRACKS = ("plus", "minus", "unstranded", "control_plus", "control_minus")
_MARKS = ("peak", "ambig")


def tiny_experiment(folder: Path, **changes: Any) -> Experiment:
    """Return an experiment on the files in ``folder``, which are made when they are not there yet.

    ``changes`` replace top-level keys; a mapping changes only the keys it names, None takes one away.
    """
    if not (folder / "chrom.sizes").exists():
        make_tiny_files(folder)
    return make_experiment(_merged(_document(), changes), base=folder, origin="tiny experiment")


def three_folds(folder: Path, **changes: Any) -> Experiment:
    """Return a tiny experiment of three folds on CPUs."""
    return tiny_experiment(folder, **{"folds": {"n": 3}, "compute": {"gpus": 0}, **changes})


def make_tiny_files(folder: Path, *, seed: int = 0) -> None:
    """Write genome.fa, signal.tdb, peaks.narrowPeak, blacklist.bed and, last of all, chrom.sizes.

    A strong peak has two copies of the motif and eight times the counts of a weak one, which has none. Counts of
    the plus strand lie left of a summit, those of the minus strand right of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    bases = rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), ASSEMBLY.total_bp)
    rates = {name: np.full(ASSEMBLY.total_bp, 0.02) for name in ("plus", "minus")}
    marks = {name: np.zeros(ASSEMBLY.total_bp, dtype=np.int64) for name in _MARKS}
    lines = []
    for chrom, size, offset in zip(ASSEMBLY.names, ASSEMBLY.sizes, ASSEMBLY.offsets.tolist(), strict=True):
        summits = np.linspace(600, size - 600, PEAKS_PER_CHROM).astype(int) + rng.integers(-100, 100, PEAKS_PER_CHROM)
        for i, summit in enumerate(summits.tolist()):
            strong, row = i % 2 == 0, offset + summit
            if strong:
                for start in (row - 14, row + 6):
                    bases[start : start + len(MOTIF)] = np.frombuffer(MOTIF.encode(), dtype=np.uint8)
            height = 1.6 if strong else 0.2
            rates["plus"][row - 25 : row - 5] += height
            rates["minus"][row + 5 : row + 25] += height
            marks["peak"][row - _HALF_PEAK : row + _HALF_PEAK] = 1
            marks["peak"][row] = 2
            start = summit - _HALF_PEAK
            lines.append(f"{chrom}\t{start}\t{summit + _HALF_PEAK}\t.\t0\t.\t0\t0\t0\t{_HALF_PEAK}\n")
        marks["ambig"][offset + size // 2 : offset + size // 2 + 50] = 1
    _write_fasta(folder / "genome.fa", bases)
    _write_array(folder / "signal.tdb", rates, marks, rng)
    (folder / "peaks.narrowPeak").write_text("".join(lines))
    (folder / "blacklist.bed").write_text("chr1\t300\t400\nchr3\t20000\t20100\n")
    (folder / "chrom.sizes").write_text("".join(f"{name}\t{size}\n" for name, size in ASSEMBLY.as_dict().items()))


def write_fasta(path: Path, sequences: Mapping[str, str], *, width: int = 60) -> Path:
    """Write a FASTA file, ``width`` letters a line."""
    with path.open("w") as out:
        for name, sequence in sequences.items():
            rows = [sequence[low : low + width] for low in range(0, len(sequence), width)]
            out.write("\n".join([f">{name}", *rows]) + "\n")
    return path


def write_tracks(path: Path, assembly: Assembly, tracks: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write an array of float32 or int64 tracks, given as ``tracks[dataset][attribute]`` over the whole genome."""
    first = next(iter(tracks.values()))
    layout = create_array(str(path), assembly, tracks, {name: values.dtype for name, values in first.items()})
    for task, attributes in enumerate(tracks.values()):
        with tiledb.open(layout.path, "w") as array:
            array[0 : assembly.total_bp, task] = dict(attributes)


def write_json(path: Path, document: Any) -> Path:
    """Write JSON."""
    path.write_text(json.dumps(document))
    return path


def _document() -> dict[str, Any]:
    strands = {"source": ["plus", "minus"], "flank": OUTPUT_FLANK}
    return {
        "name": "tiny",
        "genome": {"fasta": "genome.fa", "chrom_sizes": "chrom.sizes", "blacklist": "blacklist.bed"},
        "store": "signal.tdb",
        "datasets": "tiny",
        "inputs": [{"name": "sequence", "source": "seq", "flank": INPUT_FLANK}],
        "outputs": [
            {"name": "profile", **strands},
            {"name": "logcount", **strands, "aggregate": "sum", "transform": "log"},
        ],
        "sampling": {
            "regions": {"bed": "peaks.narrowPeak", "center": "summit", "jitter": 8},
            "negatives": {"ratio": 1.0},
            "ambiguous": "ambig",
        },
        "model": {"filters": 4, "dilated_layers": 1, "first_kernel": 9, "profile_kernel": 15},
        "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.01},
        "folds": {"scheme": "balanced", "n": 5},
        "seeds": [1],
    }


def _merged(document: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(document)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        else:
            merged[key] = value
    return merged


def _write_fasta(path: Path, bases: np.ndarray) -> None:
    chroms = np.split(bases, ASSEMBLY.offsets[1:])
    write_fasta(path, {name: chrom.tobytes().decode() for name, chrom in zip(ASSEMBLY.names, chroms, strict=True)})


def _write_array(
    path: Path, rates: Mapping[str, np.ndarray], marks: Mapping[str, np.ndarray], rng: np.random.Generator
) -> None:
    tracks = {}
    for dataset in DATASETS:
        plus, minus = rng.poisson(rates["plus"]), rng.poisson(rates["minus"])
        controls = rng.poisson(0.1, (2, ASSEMBLY.total_bp))
        columns = (plus, minus, plus + minus, *controls)
        counts = {name: values.astype(np.float32) for name, values in zip(_TRACKS, columns, strict=True)}
        tracks[dataset] = counts | dict(marks)
    write_tracks(path, ASSEMBLY, tracks)
