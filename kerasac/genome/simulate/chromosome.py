"""Draw one simulated chromosome: bases, planted elements and the cuts around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kerasac.errors import ConfigError
from kerasac.genome.simulate.motifs import (
    MOTIFS,
    PAIR,
    PAIR_BONUS,
    REACH_BP,
    Floats,
    Tokens,
    enzyme_preference,
    footprint,
)

# Odds of a dinucleotide against its two bases' frequencies (rows: first base), much as in vertebrates: CpG is rare.
DINUCLEOTIDE_ODDS: Floats = np.array(
    [[1.10, 0.85, 1.05, 0.90], [1.20, 1.10, 0.30, 1.05], [1.00, 1.00, 1.10, 0.85], [0.75, 1.00, 1.20, 1.10]]
)
BLOCK_BP = 1000  # bases of one GC content
SITES_IN_ELEMENT = {1: 0.2, 2: 0.35, 3: 0.3, 4: 0.15}  # number of sites: probability
# An element takes sites in five stretches around its centre, at most one in each, so that sites never overlap.
N_STRETCHES = 5
STRETCH_BP = 36
SHIFT_BP = 20  # a site starts within the first bases of its stretch
MARGIN_BP = 75  # from the outermost sites to an element's ends
SLOT_MARGIN_BP = 300  # from an element's centre to its slot's ends

_LEAST: dict[str, float] = {
    "seed": 0,
    "n_chroms": 1,
    "end_n_bp": 0,
    "slot_bp": 2 * SLOT_MARGIN_BP + 1,
    "element_share": 0,
    "decoy_share": 0,
    "base_counts": 1,
    "noise_sd": 0,
    "background_rate": 0,
    "dispersion": 1e-6,
    "bias_strength": 0,
    "ambiguous_counts": 0,
}


@dataclass(frozen=True)
class Simulation:
    """What to simulate; the same values give the same bytes (with the same numpy and pyBigWig)."""

    seed: int = 1234
    n_chroms: int = 10
    chrom_bp: int = 600_000  # mean size; chromosomes differ by up to 20 % either way
    end_n_bp: int = 2_000  # N at either end of every chromosome
    slot_bp: int = 1_200  # room for one element or decoy
    element_share: float = 0.7  # of the slots
    decoy_share: float = 0.1  # of the slots: one degenerate site that does nothing
    base_counts: float = 150.0  # expected cuts of an element without sites, both strands together
    noise_sd: float = 0.2  # nats of log accessibility that no sequence explains
    background_rate: float = 0.05  # expected cuts a base and strand outside elements
    dispersion: float = 0.05  # variance of a base's count = mean + dispersion * mean²
    peak_counts: float = 350.0  # expected cuts from which an element is a peak
    ambiguous_counts: float = 250.0  # expected cuts from which it is at least ambiguous
    bias_strength: float = 1.0  # times the logarithm of the enzyme's preference

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ConfigError(f"simulation {name} is {getattr(self, name)}; it must be at least {least}")
        if self.element_share + self.decoy_share > 1:
            shares = f"element_share {self.element_share} + decoy_share {self.decoy_share}"
            raise ConfigError(f"simulation {shares} exceed 1; lower one of them")
        if self.ambiguous_counts > self.peak_counts:
            counts = f"ambiguous_counts {self.ambiguous_counts} exceed peak_counts {self.peak_counts}"
            raise ConfigError(f"simulation {counts}; lower them")
        least_bp = 2 * (self.end_n_bp + self.slot_bp)
        if min(self.chrom_sizes.values()) < least_bp:
            raise ConfigError(f"simulation chrom_bp is {self.chrom_bp}; the shortest chromosome needs {least_bp} bases")

    @property
    def chrom_sizes(self) -> dict[str, int]:
        """Bases by chromosome, longest first."""
        factors = np.linspace(1.2, 0.8, self.n_chroms) if self.n_chroms > 1 else [1.0]
        return {f"chr{i + 1}": int(self.chrom_bp * factor) // 100 * 100 for i, factor in enumerate(factors)}


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


class SimulatedChrom(NamedTuple):
    """One simulated chromosome; ``counts`` has shape (2, size): cuts on plus and minus."""

    name: str
    tokens: Tokens
    elements: list[Element]
    decoys: list[MotifInstance]
    counts: npt.NDArray[np.int64]


def simulate_chrom(simulation: Simulation, index: int) -> SimulatedChrom:
    """Draw chromosome ``index``; it depends on the simulation and the index alone."""
    name, size = list(simulation.chrom_sizes.items())[index]
    rng = np.random.default_rng([simulation.seed, index])
    tokens = _random_sequence(rng, size)
    tokens[: simulation.end_n_bp] = tokens[size - simulation.end_n_bp :] = 4
    elements, decoys = _plant(rng, tokens, name, simulation)
    rates = accessibility(elements, size, simulation.background_rate)
    rates *= enzyme_preference(tokens, simulation.bias_strength)
    rates[:, tokens == 4] = 0
    shape = 1 / simulation.dispersion
    # A Poisson of a gamma is the negative binomial.
    counts = rng.poisson(rates * rng.gamma(shape, 1 / shape, size=rates.shape))
    return SimulatedChrom(name, tokens, elements, decoys, counts)


def accessibility(elements: list[Element], size: int, background_rate: float) -> Floats:
    """Sum background and footprints: expected cuts a base before the enzyme's preference, shape (2, size)."""
    rates = np.full((2, size), background_rate)
    footprints = {name: footprint(motif) for name, motif in MOTIFS.items()}
    for element in elements:
        # A site's share follows its strength; the constant keeps worthless sites from dividing by zero.
        weights = np.array([site.strength + 0.05 for site in element.sites])
        for site, share in zip(element.sites, weights / weights.sum(), strict=True):
            cuts = footprints[site.motif] if site.strand == "+" else footprints[site.motif][::-1, ::-1]
            rates[:, site.start - REACH_BP : site.end + REACH_BP] += element.expected_counts * share * cuts
    return rates


def _random_sequence(rng: np.random.Generator, size: int) -> Tokens:
    """Draw bases from a dinucleotide Markov chain whose GC content wanders along the chromosome."""
    n_blocks = -(-size // BLOCK_BP)
    wander = np.convolve(rng.normal(size=n_blocks + 19), np.ones(20) / np.sqrt(20), mode="valid")
    gc = np.clip(0.43 + 0.05 * wander, 0.3, 0.6)
    frequencies = np.stack([1 - gc, gc, gc, 1 - gc], axis=1) / 2
    steps = frequencies[:, None, :] * DINUCLEOTIDE_ODDS
    cumulative = np.cumsum(steps / steps.sum(axis=2, keepdims=True), axis=2)[:, :, :3]
    # All blocks of the chromosome walk side by side, a base a step.
    bases = np.empty((BLOCK_BP, n_blocks), dtype=np.uint8)
    base, blocks = rng.integers(4, size=n_blocks), np.arange(n_blocks)
    for i, draws in enumerate(rng.random((BLOCK_BP, n_blocks))):
        base = (draws[:, None] > cumulative[blocks, base]).sum(axis=1)
        bases[i] = base
    return bases.T.reshape(-1)[:size].copy()


def _plant(
    rng: np.random.Generator, tokens: Tokens, chrom: str, simulation: Simulation
) -> tuple[list[Element], list[MotifInstance]]:
    """Write elements and decoys into the tokens, in genome order, at most one a slot."""
    elements: list[Element] = []
    decoys: list[MotifInstance] = []
    last_bp = len(tokens) - simulation.end_n_bp - simulation.slot_bp
    for slot in range(simulation.end_n_bp, last_bp + 1, simulation.slot_bp):
        draw = rng.random()
        center = slot + int(rng.integers(SLOT_MARGIN_BP, simulation.slot_bp - SLOT_MARGIN_BP))
        if draw < simulation.element_share:
            elements.append(_plant_element(rng, tokens, chrom, center, simulation))
        elif draw < simulation.element_share + simulation.decoy_share:
            motif = str(rng.choice(list(MOTIFS)))
            decoys.append(_plant_site(rng, tokens, chrom, center, motif, element="."))
    return elements, decoys


def _plant_element(
    rng: np.random.Generator, tokens: Tokens, chrom: str, center: int, simulation: Simulation
) -> Element:
    name = f"{chrom}_{center}"
    n_sites = int(rng.choice(list(SITES_IN_ELEMENT), p=list(SITES_IN_ELEMENT.values())))
    stretches = np.sort(rng.choice(N_STRETCHES, size=n_sites, replace=False))
    starts = center - N_STRETCHES * STRETCH_BP // 2 + STRETCH_BP * stretches + rng.integers(SHIFT_BP, size=n_sites)
    motifs = rng.choice(list(MOTIFS), size=n_sites)
    sites = tuple(
        _plant_site(rng, tokens, chrom, int(start), str(motif), element=name)
        for start, motif in zip(starts, motifs, strict=True)
    )
    log_counts = np.log(simulation.base_counts) + sum(site.strength for site in sites)
    log_counts += rng.normal(0, simulation.noise_sd)
    if {site.motif for site in sites}.issuperset(PAIR):
        log_counts += PAIR_BONUS
    start, end = sites[0].start - MARGIN_BP, sites[-1].end + MARGIN_BP
    return Element(name, chrom, start, end, float(np.exp(log_counts)), sites)


def _plant_site(
    rng: np.random.Generator, tokens: Tokens, chrom: str, start: int, motif_name: str, *, element: str
) -> MotifInstance:
    """Draw a site from the motif's PWM, flattened half-way for a decoy, and write it on a random strand."""
    motif, decoy = MOTIFS[motif_name], element == "."
    probabilities = (motif.pwm + 0.25) / 2 if decoy else motif.pwm
    draws = rng.random((len(probabilities), 1))
    bases = (draws > np.cumsum(probabilities, axis=1)[:, :3]).sum(axis=1).astype(np.uint8)
    score = float(motif.log_odds[np.arange(len(bases)), bases].sum())
    best = float(motif.log_odds.max(axis=1).sum())
    strength = 0.0 if decoy else motif.strength * max(0.0, score / best)
    strand = "+" if rng.random() < 0.5 else "-"
    end = start + len(bases)
    tokens[start:end] = bases if strand == "+" else 3 - bases[::-1]
    # Rounded here, so that truth.tsv holds the very numbers that made the counts.
    return MotifInstance(chrom, start, end, strand, motif_name, round(score, 3), round(strength, 4), element)
