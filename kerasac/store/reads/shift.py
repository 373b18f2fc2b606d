"""Find by the cutting enzyme's motif how the 5' ends in a file are shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kerasac.genome.assembly import Assembly, IntArray
from kerasac.genome.sequence import TokenArray, TokenGenome, reverse_complement
from kerasac.store.reads.counts import STRANDS, EndCounts, SparseCounts
from kerasac.store.reads.motifs import MOTIFS, CutMotif, FloatArray
from kerasac.store.reads.spec import Assay, Shift, Strand

FLANK_BP = 40  # bases on each side of a recorded 5' end that are looked at
BACKGROUND_BP = 25  # those further away than this are background
N_SAMPLED = 100_000  # 5' ends of each strand
OFFSETS = np.arange(-12, 13)  # where the true 5' end may lie, from the recorded one, in the read's direction

MIN_STRENGTH = 0.3  # of the motif, as a part of what is known of it
MAX_RIVAL = 0.6  # how strong the motif may be at another offset, as a part of the best
MIN_SEPARATION = 5.0  # standard errors between the best offset and any other
MIN_STRENGTH_ERRORS = 10.0  # standard errors of the strength
MAX_WEIGHT = 10  # a position counts up to so many times the mean: hot spots do not decide
UNUSUAL = "shifted as by no known convention"
_BATCH = 20_000
_BLOCK = 1 << 22


class Candidate(NamedTuple):
    """A shift that files come with: what would have to be added to it, and how well it fits each strand."""

    present: Shift
    to_apply: Shift
    plus: float
    minus: float
    origin: str


@dataclass(frozen=True, eq=False)
class StrandFit:
    """How well a motif fits the bases around one strand's recorded 5' ends, for each offset of the true ones.

    ``frequencies`` (2 × FLANK_BP + 1, 4) of A, C, G, T in the direction of the reads, the recorded 5' end in the
    middle; ``background`` (4,). ``strengths`` (len(OFFSETS),): the mean log-odds score above background, as a part of
    what reads that follow the motif would have: about 1 at the true offset. ``error``: its standard error.
    """

    n_sampled: int
    frequencies: FloatArray
    background: FloatArray
    strengths: FloatArray
    error: float

    @property
    def best(self) -> int:
        """The offset where the motif is strongest."""
        return int(OFFSETS[self.strengths.argmax()])

    @property
    def strength(self) -> float:
        """The strength there."""
        return float(self.strengths.max())

    @property
    def rival(self) -> float:
        """The strength at the second best offset."""
        return float(np.sort(self.strengths)[-2])

    @property
    def separation(self) -> float:
        """Standard errors between the best and the second best offset."""
        return (self.strength - self.rival) / (self.error * np.sqrt(2)) if self.error > 0 else 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the numbers behind the judgement, JSON-able."""
        strengths = dict(zip(OFFSETS.tolist(), self.strengths.round(4).tolist(), strict=True))
        return {"n_sampled": self.n_sampled, "offset": self.best, "error": self.error, "strengths": strengths}

    def at(self, offset: int) -> float:
        """Return the strength at an offset."""
        return float(self.strengths[np.searchsorted(OFFSETS, offset)])

    def problem(self, strand: Strand) -> str | None:
        """Return why this strand does not say where its true 5' ends are, None where it does."""
        if self.n_sampled == 0:
            return f"no 5' ends on the {strand} strand"
        sure = MIN_STRENGTH_ERRORS * self.error
        if self.strength < sure and sure > MIN_STRENGTH:
            return f"too few 5' ends on the {strand} strand ({self.n_sampled:,})"
        if self.strength > sure and (self.rival > MAX_RIVAL * self.strength or self.separation < MIN_SEPARATION):
            return f"the motif lies at two places on the {strand} strand, as in a mixture of files"
        if self.strength < max(sure, MIN_STRENGTH):
            return f"hardly any motif around 5' ends of the {strand} strand ({self.strength:.2f} of its usual strength)"
        return None


@dataclass(frozen=True, eq=False)
class ShiftEvidence:
    """What the bases around 5' ends say about the shift of a file.

    ``lag``: how much further downstream the plus strand's sequence pattern lies than the minus strand's, from the
    recorded 5' ends; found without any motif. ``problem``: why the shift is not clear, None where it is.
    ``clear_motif``: another enzyme's, where that is the reason.
    """

    motif: CutMotif
    plus: StrandFit
    minus: StrandFit
    lag: int
    problem: str | None
    clear_motif: CutMotif | None = None

    @property
    def present(self) -> Shift:
        """The shift that the file seems to have: what was added to its true 5' ends."""
        return Shift(-self.plus.best, self.minus.best)

    @property
    def shift(self) -> Shift | None:
        """What to add to the positions in the file to reach the assay's target; None where it is not clear."""
        return None if self.problem else _remaining(self.motif, self.present)

    @property
    def is_usual(self) -> bool:
        """Whether files with this shift are known."""
        return self.present in self.motif.known

    @property
    def summary(self) -> str:
        """Say in a line what was found."""
        if self.shift is None:
            return f"not sure: {self.problem}"
        origin = self.motif.known.get(self.present, UNUSUAL)
        rest = (
            f"adding {self.shift} brings them to {self.motif.target}" if any(self.shift) else "nothing is to be added"
        )
        return f"{self.motif.enzyme} 5' ends, {origin} ({self.present}); {rest}"

    @property
    def way_out(self) -> str:
        """Say what to do where the shift is not clear."""
        if self.clear_motif is not None:
            return f"name {self.clear_motif.assay} as the assay"
        aligned = " or ".join(f"{motif.target} for {motif.assay}" for motif in MOTIFS.values())
        return f"state the shift: {aligned} where reads lie as they were aligned, 0/0 where they are shifted already"

    def candidates(self) -> list[Candidate]:
        """Return the shifts that such files come with, and the present one where it is none of them."""
        present = {} if self.is_usual or self.problem else {self.present: UNUSUAL}
        return [
            Candidate(
                shift, _remaining(self.motif, shift), self.plus.at(-shift.plus), self.minus.at(shift.minus), origin
            )
            for shift, origin in {**self.motif.known, **present}.items()
        ]

    def as_dict(self) -> dict[str, object]:
        """Return everything but the frequencies, JSON-able; strengths by the offset of the true 5' ends."""
        fits = {Strand.PLUS: self.plus, Strand.MINUS: self.minus}
        return {
            "enzyme": self.motif.enzyme,
            "present": None if self.problem else list(self.present),
            "shift": None if self.shift is None else list(self.shift),
            "summary": self.summary,
            "lag": self.lag,
            "strands": {str(strand): fit.as_dict() for strand, fit in fits.items()},
        }


def detect_shift(
    counts: EndCounts,
    genome: TokenGenome,
    assay: Assay | None = None,
    *,
    n_sampled: int = N_SAMPLED,
    seed: int = 0,
) -> ShiftEvidence:
    """Find the shift of 5' ends by the motif of the enzyme that made them.

    Sampled 5' ends of each strand are laid over each other in the direction of their reads. The motif is scored at
    every offset from them (mean log-odds minus that of the background, which is made of the bases on both sides).
    The shift is clear when on both strands the motif is strong, lies at one offset, and lies there by more than
    chance, and when the two strands' patterns, compared without a motif, are apart as the offsets say. An offset d
    on the plus strand is a shift of −d, on the minus strand one of +d.

    Parameters
    ----------
    counts: of the genome's assembly.
    assay: atac or dnase; None takes the enzyme whose motif is clear, or else the stronger.
    """
    rng = np.random.default_rng(seed)
    tokens, assembly = genome.open(), genome.assembly
    plus = _frequencies(counts.plus, Strand.PLUS, tokens, assembly, n_sampled, rng)
    minus = _frequencies(counts.minus, Strand.MINUS, tokens, assembly, n_sampled, rng)
    found = {known: _evidence(motif, plus, minus) for known, motif in MOTIFS.items()}
    if assay is None:
        return max(found.values(), key=lambda e: (e.problem is None, min(e.plus.strength, e.minus.strength)))
    return _unless_another(found[assay], [e for known, e in found.items() if known != assay])


def _unless_another(asked: ShiftEvidence, others: Sequence[ShiftEvidence]) -> ShiftEvidence:
    """Return the evidence with a problem when another enzyme's motif is the clear one."""
    for other in others:
        if asked.problem is not None and other.problem is None:
            problem = f"the motif is that of {other.motif.enzyme}, not of {asked.motif.enzyme}"
            return replace(asked, problem=problem, clear_motif=other.motif)
    return asked


def _evidence(motif: CutMotif, plus: IntArray, minus: IntArray) -> ShiftEvidence:
    fits = _fit(motif, plus), _fit(motif, minus)
    lag = _lag(*fits)
    problems = [fit.problem(strand) for fit, strand in zip(fits, STRANDS, strict=True)]
    if lag != fits[0].best - fits[1].best:
        problems.append("what the strands have in common lies elsewhere than the motif")
    return ShiftEvidence(motif, *fits, lag, next((problem for problem in problems if problem), None))


def _remaining(motif: CutMotif, present: Shift) -> Shift:
    return Shift(motif.target.plus - present.plus, motif.target.minus - present.minus)


def _frequencies(
    counts: SparseCounts, strand: Strand, tokens: TokenArray, assembly: Assembly, n: int, rng: np.random.Generator
) -> IntArray:
    """Count A, C, G, T around sampled 5' ends in the direction of the reads, (2 × FLANK_BP + 1, 4)."""
    rows = _sampled(counts, n, rng)
    chrom = np.searchsorted(assembly.offsets, rows, "right") - 1
    position = rows - assembly.offsets[chrom]
    rows = rows[(position >= FLANK_BP) & (position < assembly.sizes_bp[chrom] - FLANK_BP)]
    around = np.arange(-FLANK_BP, FLANK_BP + 1)
    columns = 5 * np.arange(len(around))  # a column's tokens A C G T N have numbers of their own
    total = np.zeros(5 * len(around), dtype=np.int64)
    for low in range(0, len(rows), _BATCH):
        windows = tokens[rows[low : low + _BATCH, None] + around]
        windows = windows if strand == Strand.PLUS else reverse_complement(windows)
        total += np.bincount((windows + columns).ravel(), minlength=len(total))
    return total.reshape(-1, 5)[:, :4]


def _sampled(counts: SparseCounts, n: int, rng: np.random.Generator) -> IntArray:
    """Draw up to ``n`` 5' ends without replacement, as rows; each position counts up to MAX_WEIGHT times the mean."""
    blocks = [slice(low, low + _BLOCK) for low in range(0, len(counts.rows), _BLOCK)]
    total = sum(int(counts.counts[block].sum(dtype=np.int64)) for block in blocks)
    most = MAX_WEIGHT * -(-total // max(len(counts.rows), 1))
    sizes = [int(np.minimum(counts.counts[block], most).sum(dtype=np.int64)) for block in blocks]
    drawn = np.sort(rng.choice(sum(sizes), min(n, sum(sizes)), replace=False, shuffle=False))
    rows, before = [np.empty(0, np.int64)], 0
    for block, size in zip(blocks, sizes, strict=True):
        ranks = drawn[np.searchsorted(drawn, before) : np.searchsorted(drawn, before + size)] - before
        up_to = np.cumsum(np.minimum(counts.counts[block], most), dtype=np.int64)
        rows.append(counts.rows[block][np.searchsorted(up_to, ranks, "right")].astype(np.int64))
        before += size
    return np.concatenate(rows)


def _fit(motif: CutMotif, counted: IntArray) -> StrandFit:
    n = int(counted.sum(axis=1).mean())
    frequencies = (counted + 0.25) / (counted + 0.25).sum(axis=1, keepdims=True)
    around = np.arange(-FLANK_BP, FLANK_BP + 1)
    background = frequencies[np.abs(around) > BACKGROUND_BP].mean(axis=0)
    windows = sliding_window_view(frequencies, len(motif.log_odds), axis=0)  # (starts, 4, bases)
    scores = ((windows.transpose(0, 2, 1) - background) * motif.log_odds).sum(axis=(1, 2))
    expected = background * 2**motif.log_odds
    expected /= expected.sum(axis=1, keepdims=True)
    usual = ((expected - background) * motif.log_odds).sum()
    mean = (background * motif.log_odds).sum(axis=1)
    variance = ((background * motif.log_odds**2).sum(axis=1) - mean**2).sum()
    strengths = scores[FLANK_BP + motif.first + OFFSETS] / usual
    return StrandFit(n, frequencies, background, strengths, float(np.sqrt(variance / max(n, 1)) / usual))


def _lag(plus: StrandFit, minus: StrandFit) -> int:
    """Return the lag at which the two strands' enrichments near the 5' ends agree best."""
    near = slice(FLANK_BP - BACKGROUND_BP, FLANK_BP + BACKGROUND_BP + 1)
    ours, theirs = (np.log2(fit.frequencies / fit.background) for fit in (plus, minus))
    products = [(ours[near] * np.roll(theirs, lag, axis=0)[near]).sum() for lag in OFFSETS]
    return int(OFFSETS[np.argmax(products)])
