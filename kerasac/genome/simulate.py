"""Simulate a small genome whose accessibility follows planted motifs, so that a model's truth is known.

A regulatory element carries one to four motif sites. Its expected counts are ``base_counts`` times the exponential of
its sites' strengths (additive in the logarithm, plus a bonus for one pair of motifs and noise that no sequence
explains). Each site adds a footprint: shoulders beside a protected core, mirrored between the strands. An enzyme's
preference for the bases around the cut multiplies everything, background included. Motif matches that were not
planted do nothing, as most matches in a real genome do nothing.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyBigWig
import pysam

from kerasac.errors import ConfigError

logger = logging.getLogger(__name__)

Tokens = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

FORMAT_VERSION = 1
IUPAC = {"A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"}
IUPAC["N"] = "ACGT"


@dataclass(frozen=True)
class Motif:
    """A planted motif and what it does; lengths in bases, effects on its own forward strand."""

    consensus: str  # IUPAC letters
    strength: float  # of a perfect site, in nats of log accessibility
    shoulder_bp: float  # from the motif's edge to the top of a shoulder
    shoulder_sd_bp: float
    depth: float  # 0..1, how far the core is protected from cutting
    skew: float  # -1..1, how much more the shoulder upstream of the motif holds than the one downstream

    @property
    def pwm(self) -> Floats:
        """Base probabilities, shape (width, 4), in A, C, G, T order: 0.97 shared by the letters of the consensus."""
        allowed = np.array([[base in IUPAC[letter] for base in "ACGT"] for letter in self.consensus], dtype=float)
        n_allowed = allowed.sum(axis=1, keepdims=True)
        shared = allowed * 0.97 / n_allowed + (1 - allowed) * 0.03 / np.maximum(4 - n_allowed, 1)
        return np.asarray(shared / shared.sum(axis=1, keepdims=True))

    @property
    def log_odds(self) -> Floats:
        """Log2 of the probabilities over 1/4, shape (width, 4); the sum over a site is its score in bits."""
        return np.asarray(np.log2(self.pwm / 0.25))


# Well-known consensus sequences, rounded to IUPAC letters; strengths and footprints are made up.
MOTIFS: Mapping[str, Motif] = {
    "REB1-like": Motif("RTTACCCGK", 1.0, shoulder_bp=9, shoulder_sd_bp=5, depth=0.90, skew=0.3),
    "ABF1-like": Motif("RTCRYNNNNNACG", 0.8, shoulder_bp=7, shoulder_sd_bp=4, depth=0.80, skew=-0.3),
    "CTCF-like": Motif("CCASYAGRKGGCRS", 1.3, shoulder_bp=14, shoulder_sd_bp=6, depth=0.95, skew=0.5),
    "AP1-like": Motif("RTGASTCAY", 0.9, shoulder_bp=6, shoulder_sd_bp=4, depth=0.70, skew=0.0),
    "GATA-like": Motif("AGATAAGRA", 0.6, shoulder_bp=5, shoulder_sd_bp=3, depth=0.50, skew=0.2),
}
PAIR = ("AP1-like", "GATA-like")  # together in one element they do more than their sum
PAIR_BONUS = 0.5  # nats
STRAND_LEAN = 0.8  # share of the plus cuts that fall on the left shoulder; the minus cuts mirror it
BROAD_SHARE = 0.2  # of a site's cuts, spread around it with BROAD_SD_BP
BROAD_SD_BP = 35.0
REACH_BP = 90  # cuts of a site fall at most this far from the motif's edges

# Log preference for the six bases around the cut (3 before it, the cut base, 2 after), A C G T; no real enzyme's.
ENZYME_BIAS: Floats = np.array(
    [
        [0.0, -0.2, 0.2, 0.0],
        [-0.3, 0.1, 0.3, -0.1],
        [0.2, -0.4, 0.1, 0.1],
        [0.5, -0.5, 0.4, -0.4],
        [-0.1, 0.2, -0.3, 0.2],
        [0.2, 0.1, -0.3, 0.0],
    ]
)
BIAS_BEFORE_BP = 3

# Odds of a dinucleotide against its two bases' frequencies (rows: first base), much as in vertebrates: CpG is rare.
DINUCLEOTIDE_ODDS: Floats = np.array(
    [[1.10, 0.85, 1.05, 0.90], [1.20, 1.10, 0.30, 1.05], [1.00, 1.00, 1.10, 0.85], [0.75, 1.00, 1.20, 1.10]]
)
ISOCHORE_BP = 1000


@dataclass(frozen=True)
class Simulation:
    """What to simulate; the same values give the same bytes (with the same numpy and pyBigWig)."""

    seed: int = 1234
    n_chroms: int = 10
    chrom_bp: int = 600_000  # mean size; chromosomes differ by up to 20 % either way
    end_n_bp: int = 2_000  # N at both ends of every chromosome
    slot_bp: int = 1_200  # one place for an element or a decoy
    element_share: float = 0.7  # of the slots
    decoy_share: float = 0.1  # of the slots: one degenerate site that does nothing
    base_counts: float = 150.0  # expected cuts of an element without sites, both strands together
    noise_sd: float = 0.2  # nats of log accessibility that no sequence explains
    background_rate: float = 0.02  # expected cuts a base and strand outside elements
    dispersion: float = 0.05  # variance of a count = mean + dispersion * mean²
    peak_counts: float = 350.0  # expected cuts from which an element is a peak
    ambiguous_counts: float = 250.0  # expected cuts from which it is at least ambiguous

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ConfigError(f"simulation {name} is {getattr(self, name)}; it must be at least {least}")
        if self.element_share + self.decoy_share > 1:
            raise ConfigError(
                f"simulation element_share {self.element_share} + decoy_share {self.decoy_share} exceed 1; lower one"
            )
        if self.ambiguous_counts > self.peak_counts:
            raise ConfigError(
                f"simulation ambiguous_counts {self.ambiguous_counts} exceed peak_counts {self.peak_counts}"
            )
        if min(self.chrom_sizes.values()) < 2 * self.end_n_bp + 2 * self.slot_bp:
            raise ConfigError(f"simulation chrom_bp {self.chrom_bp} leaves no room for elements; raise it")

    @property
    def chrom_sizes(self) -> dict[str, int]:
        """Bases by chromosome: chr1 is the longest."""
        factors = np.linspace(1.2, 0.8, self.n_chroms) if self.n_chroms > 1 else [1.0]
        return {f"chr{i + 1}": int(self.chrom_bp * factor) // 100 * 100 for i, factor in enumerate(factors)}


_LEAST = {"seed": 0, "n_chroms": 1, "end_n_bp": 0, "slot_bp": 800, "element_share": 0, "decoy_share": 0}
_LEAST |= {"noise_sd": 0, "background_rate": 0, "dispersion": 1e-6, "base_counts": 1, "ambiguous_counts": 0}


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


class MotifInstance(NamedTuple):
    """One planted motif site: a line of truth.tsv."""

    chrom: str
    start: int
    end: int
    strand: str
    motif: str
    score: float  # bits of the planted bases against 1/4 each
    strength: float  # nats that it adds to its element's log accessibility; 0 for a decoy
    element: str  # "." for a decoy


class Element(NamedTuple):
    """One regulatory element; its expected counts are its true accessibility, noise included."""

    name: str
    chrom: str
    start: int
    end: int
    expected_counts: float
    sites: tuple[MotifInstance, ...]


class _Chrom(NamedTuple):
    """One simulated chromosome; counts has shape (2, size): plus and minus."""

    name: str
    tokens: Tokens
    elements: list[Element]
    decoys: list[MotifInstance]
    counts: npt.NDArray[np.int64]


def genome_files(folder: Path) -> SimulatedGenome:
    """Name the files that ``simulate`` writes to a folder, whether they are there or not."""
    names = ("genome.fa", "chrom.sizes", "signal.plus.bw", "signal.minus.bw", "peaks.narrowPeak", "ambiguous.bed")
    return SimulatedGenome(folder, *(folder / name for name in (*names, "truth.tsv", "metadata.tsv", "attributes.tsv")))


def is_simulated(simulation: Simulation, folder: Path) -> bool:
    """Tell whether the folder holds the whole genome of this very simulation."""
    record = folder / "simulation.json"
    return record.exists() and record.read_text() == _record(simulation)


def simulate(simulation: Simulation, folder: Path) -> SimulatedGenome:
    """Write a simulated genome to a folder; ``simulation.json`` comes last, so its presence means a whole genome.

    The peaks are not called: they are the elements whose expected counts reach ``peak_counts``. Those between
    ``ambiguous_counts`` and that are ambiguous, weaker ones are left in the background. Only the summits (the top of
    the smoothed observed counts) and the signal values come from the drawn counts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chroms = [_simulate_chrom(simulation, i) for i in range(simulation.n_chroms)]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        files = genome_files(Path(partial))
        _write_fasta(files.fasta, chroms)
        files.chrom_sizes.write_text(_lines((chrom.name, len(chrom.tokens)) for chrom in chroms))
        _write_bigwig(files.plus_bw, chroms, strand=0)
        _write_bigwig(files.minus_bw, chroms, strand=1)
        _write_regions(files, chroms, simulation)
        _write_truth(files.truth, chroms)
        _write_ingest_tables(files)
        (files.folder / "simulation.json").write_text(_record(simulation))
        for path in sorted(files.folder.iterdir(), key=lambda path: path.name == "simulation.json"):
            path.replace(folder / path.name)
    logger.info("simulated %d chromosomes, %d elements", len(chroms), sum(len(c.elements) for c in chroms))
    return genome_files(folder)


def read_truth(path: Path) -> list[MotifInstance]:
    """Read every planted motif site, decoys included, in genome order."""
    _header, *lines = path.read_text().splitlines()
    rows = (line.split("\t") for line in lines)
    return [
        MotifInstance(chrom, int(start), int(end), strand, motif, float(score), float(strength), element)
        for chrom, start, end, strand, motif, score, strength, element in rows
    ]


def _simulate_chrom(simulation: Simulation, index: int) -> _Chrom:
    name, size = list(simulation.chrom_sizes.items())[index]
    rng = np.random.default_rng([simulation.seed, index])
    tokens = _random_sequence(rng, size)
    tokens[: simulation.end_n_bp] = tokens[size - simulation.end_n_bp :] = 4
    elements, decoys = _plant(rng, tokens, name, simulation)
    rates = _enzyme_preference(tokens) * _accessibility(elements, size, simulation.background_rate)
    rates[:, tokens == 4] = 0
    shape = 1 / simulation.dispersion
    counts = rng.poisson(rates * rng.gamma(shape, 1 / shape, size=rates.shape))
    return _Chrom(name, tokens, elements, decoys, counts)


def _random_sequence(rng: np.random.Generator, size: int) -> Tokens:
    """Draw bases from a dinucleotide Markov chain whose GC content wanders along the chromosome."""
    n_blocks = -(-size // ISOCHORE_BP)
    wander = np.convolve(rng.normal(size=n_blocks + 19), np.ones(20) / np.sqrt(20), mode="valid")
    gc = np.clip(0.43 + 0.05 * wander, 0.3, 0.6)
    frequencies = np.stack([(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2], axis=1)
    steps = frequencies[:, None, :] * DINUCLEOTIDE_ODDS
    cumulative = np.cumsum(steps / steps.sum(axis=2, keepdims=True), axis=2)[:, :, :3]
    blocks = np.empty((ISOCHORE_BP, n_blocks), dtype=np.uint8)
    base, rows = rng.integers(4, size=n_blocks), np.arange(n_blocks)
    for i, draws in enumerate(rng.random((ISOCHORE_BP, n_blocks))):
        base = (draws[:, None] > cumulative[rows, base]).sum(axis=1)
        blocks[i] = base
    return blocks.T.reshape(-1)[:size].copy()


def _plant(
    rng: np.random.Generator, tokens: Tokens, chrom: str, simulation: Simulation
) -> tuple[list[Element], list[MotifInstance]]:
    """Write elements and decoys into the tokens, in genome order, at most one a slot."""
    elements: list[Element] = []
    decoys: list[MotifInstance] = []
    slots = range(simulation.end_n_bp, len(tokens) - simulation.end_n_bp - simulation.slot_bp, simulation.slot_bp)
    for slot in slots:
        draw = rng.random()
        center = slot + int(rng.integers(300, simulation.slot_bp - 300))
        if draw < simulation.element_share:
            elements.append(_plant_element(rng, tokens, f"{chrom}_element_{len(elements)}", center, simulation))
        elif draw < simulation.element_share + simulation.decoy_share:
            motif = str(rng.choice(list(MOTIFS)))
            decoys.append(_plant_site(rng, tokens, chrom, center, motif))
    return elements, decoys


def _plant_element(rng: np.random.Generator, tokens: Tokens, name: str, center: int, simulation: Simulation) -> Element:
    n_sites = int(rng.choice([1, 2, 3, 4], p=[0.2, 0.35, 0.3, 0.15]))
    # Five stretches of 36 bases around the centre take at most one site each, so that sites never overlap.
    stretches = np.sort(rng.choice(5, size=n_sites, replace=False))
    chrom = name.split("_")[0]
    sites = tuple(
        _plant_site(rng, tokens, chrom, center - 90 + 36 * int(i) + int(rng.integers(20)), motif, element=name)
        for i, motif in zip(stretches, rng.choice(list(MOTIFS), size=n_sites), strict=True)
    )
    present = {site.motif for site in sites}
    log_counts = np.log(simulation.base_counts) + sum(site.strength for site in sites)
    log_counts += PAIR_BONUS * present.issuperset(PAIR) + rng.normal(0, simulation.noise_sd)
    return Element(name, chrom, sites[0].start - 75, sites[-1].end + 75, float(np.exp(log_counts)), sites)


def _plant_site(
    rng: np.random.Generator, tokens: Tokens, chrom: str, start: int, motif_name: str, *, element: str = "."
) -> MotifInstance:
    """Draw a site from the motif's PWM (a flattened one for a decoy) and write it on a random strand."""
    motif = MOTIFS[str(motif_name)]
    probabilities = motif.pwm if element != "." else (motif.pwm + 0.25) / 2
    draws = rng.random(len(probabilities))[:, None]
    bases = (draws > np.cumsum(probabilities, axis=1)[:, :3]).sum(axis=1)
    score = float(motif.log_odds[np.arange(len(bases)), bases].sum())
    share = max(0.0, score / float(motif.log_odds.max(axis=1).sum())) if element != "." else 0.0
    strand = "+" if rng.random() < 0.5 else "-"
    end = start + len(bases)
    tokens[start:end] = bases if strand == "+" else 3 - bases[::-1]
    strength = motif.strength * share
    return MotifInstance(chrom, start, end, strand, str(motif_name), round(score, 3), round(strength, 4), element)


def footprint(motif: Motif) -> Floats:
    """Where a site's cuts fall: shape (2, width + 2 * REACH_BP), plus and minus, over both 1 in sum.

    The site is on the forward strand; for one on the reverse strand turn both axes.
    """
    width = len(motif.consensus)
    x = np.arange(width + 2 * REACH_BP) - REACH_BP - (width - 1) / 2
    top = width / 2 + motif.shoulder_bp
    left = (1 + motif.skew) * _bell(x + top, motif.shoulder_sd_bp)
    right = (1 - motif.skew) * _bell(x - top, motif.shoulder_sd_bp)
    shoulders = np.stack(
        [STRAND_LEAN * left + (1 - STRAND_LEAN) * right, (1 - STRAND_LEAN) * left + STRAND_LEAN * right]
    )
    open_core = 1 - motif.depth * np.exp(-0.5 * (x / (width / 2)) ** 4)
    cuts = ((1 - BROAD_SHARE) * shoulders + BROAD_SHARE * _bell(x, BROAD_SD_BP)) * open_core
    return np.asarray(cuts / cuts.sum())


def _bell(x: Floats, sd: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (x / sd) ** 2) / (sd * np.sqrt(2 * np.pi)))


def _accessibility(elements: Sequence[Element], size: int, background_rate: float) -> Floats:
    """Expected cuts a base before the enzyme's preference, shape (2, size): background + footprints."""
    rates = np.full((2, size), background_rate)
    footprints = {name: footprint(motif) for name, motif in MOTIFS.items()}
    for element in elements:
        # A site's share follows its strength; the floor keeps an element of worthless sites from dividing by zero.
        weights = np.array([site.strength + 0.05 for site in element.sites])
        for site, share in zip(element.sites, weights / weights.sum(), strict=True):
            shape = footprints[site.motif] if site.strand == "+" else footprints[site.motif][::-1, ::-1]
            rates[:, site.start - REACH_BP : site.end + REACH_BP] += element.expected_counts * share * shape
    return rates


def _enzyme_preference(tokens: Tokens) -> Floats:
    """Relative cutting of every base, shape (2, size), mean 1; the minus strand reads the reverse complement."""
    table = np.concatenate([ENZYME_BIAS, np.zeros((len(ENZYME_BIAS), 1))], axis=1)
    complement = np.array([3, 2, 1, 0, 4], dtype=np.uint8)

    def score(sequence: Tokens) -> Floats:
        after_bp = len(table) - 1 - BIAS_BEFORE_BP
        padded = np.pad(sequence, (BIAS_BEFORE_BP, after_bp), constant_values=4)
        return np.asarray(sum(table[i, padded[i : i + len(sequence)]] for i in range(len(table))))

    preference = np.exp(np.stack([score(tokens), score(complement[tokens][::-1])[::-1]]))
    return np.asarray(preference / preference.mean())


def _write_fasta(path: Path, chroms: Sequence[_Chrom], *, width: int = 100) -> None:
    letters = np.frombuffer(b"ACGTN", dtype=np.uint8)
    with path.open("w") as fasta:
        for chrom in chroms:
            sequence = letters[chrom.tokens].tobytes().decode()
            fasta.write(f">{chrom.name}\n")
            fasta.writelines(f"{sequence[i : i + width]}\n" for i in range(0, len(sequence), width))
    pysam.faidx(str(path))


def _write_bigwig(path: Path, chroms: Sequence[_Chrom], *, strand: int) -> None:
    """Write the bases that were cut, one entry each; every chromosome is in the header, cut or not."""
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader([(chrom.name, len(chrom.tokens)) for chrom in chroms])
        for chrom in chroms:
            starts = np.flatnonzero(chrom.counts[strand])
            if len(starts):
                bigwig.addEntries(chrom.name, starts, values=chrom.counts[strand, starts].astype(float), span=1)


def _write_regions(files: SimulatedGenome, chroms: Sequence[_Chrom], simulation: Simulation) -> None:
    peaks: list[tuple[object, ...]] = []
    ambiguous: list[tuple[object, ...]] = []
    for chrom in chroms:
        for element in chrom.elements:
            if element.expected_counts >= simulation.peak_counts:
                peaks.append(_narrow_peak(element, chrom.counts, simulation.background_rate))
            elif element.expected_counts >= simulation.ambiguous_counts:
                ambiguous.append((element.chrom, element.start, element.end))
    files.peaks.write_text(_lines(peaks))
    files.ambiguous.write_text(_lines(ambiguous))


def _narrow_peak(element: Element, counts: npt.NDArray[np.int64], background_rate: float) -> tuple[object, ...]:
    """Make the ten columns; signal = observed over background counts, p and q are not assigned (-1)."""
    pileup = counts[:, element.start : element.end].sum(axis=0)
    summit = int(np.argmax(np.convolve(pileup, np.ones(51), mode="same")))
    signal = float(pileup.sum()) / max(2 * background_rate * len(pileup), 1.0)
    score = min(1000, int(10 * signal))
    return (element.chrom, element.start, element.end, element.name, score, ".", f"{signal:.3f}", -1, -1, summit)


def _write_truth(path: Path, chroms: Sequence[_Chrom]) -> None:
    def rows() -> Iterator[tuple[object, ...]]:
        yield MotifInstance._fields
        for chrom in chroms:
            sites = [site for element in chrom.elements for site in element.sites]
            yield from sorted([*sites, *chrom.decoys], key=lambda site: site.start)

    path.write_text(_lines(rows()))


def _write_ingest_tables(files: SimulatedGenome) -> None:
    tracks = {
        "count_plus": (files.plus_bw, "bigwig"),
        "count_minus": (files.minus_bw, "bigwig"),
        "peak": (files.peaks, "bed_summit_from_last_col"),
        "ambig": (files.ambiguous, "bed_no_summit"),
    }
    files.attributes.write_text(_lines((name, kind) for name, (_path, kind) in tracks.items()))
    names = [path.name for path, _kind in tracks.values()]
    files.metadata.write_text(_lines([("dataset", *tracks), ("simulated", *names)]))


def _lines(rows: Iterator[tuple[object, ...]] | Sequence[tuple[object, ...]]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


def _record(simulation: Simulation) -> str:
    return json.dumps({"format_version": FORMAT_VERSION, **asdict(simulation)}, indent=2) + "\n"
