"""Time GC-matched negatives on a simulated genome of 200 Mb, by the number of peaks.

    python benchmarks/negatives.py

GC content varies along the genome as in isochores. Peaks lie in the first half of each chromosome, the GC-richer the
likelier, so that the second half is background however many there are. CPU-seconds are of one process: of the matching
alone, and of all that the command does once the FASTA is encoded (reading, matching, writing, drawing).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import numpy as np
from bench_genome import clock

from kerasac.cache import entry
from kerasac.genome.assembly import Assembly
from kerasac.genome.peak_centers import read_peaks
from kerasac.genome.sequence import fasta_assembly, token_genome
from kerasac.sampling.free_windows import free_centers
from kerasac.sampling.match_spec import MatchSpec
from kerasac.sampling.negatives import match_negatives
from kerasac.steps.background import BackgroundSpec, write_background

CHROM_BP = 20_000_000
N_CHROMS = 10
N_PEAKS = (100_000, 400_000, 800_000)
_ISOCHORE_BP = 10_000
_HALF_PEAK = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peaks", type=int, nargs="+", default=N_PEAKS)
    arguments = parser.parse_args()
    fasta = entry(f"benchmarks/gc-{N_CHROMS}x{CHROM_BP}-v1", _write_genome) / "genome.fa"
    assembly = fasta_assembly(fasta)
    genome = token_genome(fasta, assembly)
    print(f"encode {assembly.total_bp / 1e6:.0f} Mb\t{clock(genome.ensure):.1f} s (0 when in the cache)")
    print("peaks\tmatch s\tcommand s\tfound\tmissing\toverlapping\tKS\tpeak RSS GB")
    with tempfile.TemporaryDirectory() as name:
        for n_peaks in arguments.peaks:
            print(_measure(fasta, n_peaks, Path(name), assembly, genome.open()))


def _measure(fasta: Path, n_peaks: int, folder: Path, assembly: Assembly, tokens: np.ndarray) -> str:
    peaks = folder / f"{n_peaks}.narrowPeak"
    _write_peaks(peaks, n_peaks, assembly, tokens)
    spec = BackgroundSpec(peaks, fasta, MatchSpec())
    read = read_peaks(peaks, assembly)
    allowed = free_centers(assembly, read.spans(spec.margin), spec.match.width_bp)
    matching = clock(lambda: match_negatives(tokens, assembly, allowed, read.centers, spec.match))
    started = time.process_time()
    report = write_background(spec, folder / f"{n_peaks}.nonpeaks.narrowPeak.gz")
    command = time.process_time() - started
    found = report.negatives
    figures = f"{len(found.centers)}\t{found.n_missing}\t{found.n_overlapping}\t{report.ks_distance:.4f}"
    memory = getrusage(RUSAGE_SELF).ru_maxrss / 1e6
    return f"{n_peaks}\t{matching:.1f}\t{command:.1f}\t{figures}\t{memory:.2f}"


def _write_genome(folder: Path) -> None:
    with (folder / "genome.fa").open("wb") as fasta:
        for chrom in range(N_CHROMS):
            rng = np.random.default_rng([1, chrom])
            gc = np.repeat(rng.beta(20, 30, CHROM_BP // _ISOCHORE_BP), _ISOCHORE_BP).astype(np.float32)
            strong = rng.random(CHROM_BP, dtype=np.float32) < gc
            letters = np.frombuffer(b"ATCG", np.uint8)[2 * strong + rng.integers(0, 2, CHROM_BP, dtype=np.uint8)]
            lines = np.hstack([letters.reshape(-1, 100), np.full((CHROM_BP // 100, 1), ord("\n"), np.uint8)])
            fasta.write(f">chr{chrom + 1}\n".encode() + lines.tobytes())


def _write_peaks(path: Path, n_peaks: int, assembly: Assembly, tokens: np.ndarray) -> None:
    rng = np.random.default_rng(n_peaks)
    with path.open("w") as peaks:
        for chrom, offset in zip(assembly.names, assembly.offsets.tolist(), strict=True):
            strong = (tokens[offset : offset + CHROM_BP // 2] % 3 != 0).reshape(-1, _ISOCHORE_BP).mean(axis=1)
            isochore = rng.choice(len(strong), n_peaks // N_CHROMS, p=strong**3 / (strong**3).sum())
            summits = np.sort(isochore * _ISOCHORE_BP + rng.integers(0, _ISOCHORE_BP, len(isochore)))
            summits = summits[summits >= 2_000]
            line = f"\t.\t0\t.\t0\t0\t0\t{_HALF_PEAK}\n"
            peaks.writelines(f"{chrom}\t{s - _HALF_PEAK}\t{s + _HALF_PEAK}{line}" for s in summits.tolist())


if __name__ == "__main__":
    main()
