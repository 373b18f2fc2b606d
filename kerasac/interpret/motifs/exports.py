"""Write motifs in the formats that other programs read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kerasac.cache import write_whole
from kerasac.interpret.contributions import Contributions
from kerasac.interpret.motifs.meme import write_meme
from kerasac.interpret.motifs.motif import Motif
from kerasac.interpret.motifs.patterns import Floats

TABLE, MEME, SEQLETS, MATRICES = "motifs.tsv", "motifs.meme", "seqlets.bed", "matrices"
KINDS = ("pfm", "pwm", "cwm")  # endings of matrices
PSEUDOCOUNT = 1.0  # sites, a quarter of each base, added before a logarithm


def write_table(path: Path, motifs: Sequence[Motif], *, n_matches: int) -> None:
    """Write a row a motif: what it is made of, and the known motifs nearest to it."""
    columns = ["pattern", "sign", "n_seqlets", "width_bp", "consensus", "mean_contribution"]
    columns += [f"{what}_{i + 1}" for i in range(n_matches) for what in ("match", "p", "q", "strand")]
    table = pd.DataFrame([_row(motif) for motif in motifs], columns=columns)
    write_whole(path, table.to_csv(sep="\t", index=False, float_format="%.6g"))


def write_motifs(folder: Path, motifs: Sequence[Motif]) -> None:
    """Write ``motifs.meme``, and of each motif three matrices of four lines, A C G T, to ``matrices``.

    ``<pattern>.pfm`` has counts of bases, ``.pwm`` their log2 odds over an even background, with a pseudocount of one
    site, ``.cwm`` mean contributions. All are trimmed.
    """
    probabilities = {motif.name: motif.core.probabilities for motif in motifs}
    write_meme(folder / MEME, probabilities, n_sites={motif.name: motif.pattern.n_seqlets for motif in motifs})
    for motif in motifs:
        counts = motif.core.probabilities * motif.pattern.n_seqlets
        matrices = (counts, log_odds(counts), motif.core.contributions)
        for kind, matrix in zip(KINDS, matrices, strict=True):
            lines = ("\t".join(f"{value:.6g}" for value in row) for row in matrix.T)
            write_whole(folder / MATRICES / f"{motif.name}.{kind}", "\n".join(lines) + "\n")


def write_seqlets(path: Path, motifs: Sequence[Motif], contributions: Contributions, window_bp: int) -> int:
    """Write where the genome has each motif's seqlets, cut as the motif is, as BED with strands; returns their number.

    A seqlet on the minus strand reads as the motif does in the reverse complement of the genome.
    """
    first = contributions.start + contributions.width_bp // 2 - window_bp // 2
    rows = [row for motif in motifs for row in _places(motif, contributions.chrom, first)]
    order = {name: i for i, name in enumerate(dict.fromkeys(contributions.chrom.tolist()))}
    rows.sort(key=lambda row: (order[row[0]], row[1], row[2], row[3]))
    write_whole(path, "".join("\t".join(map(str, row)) + "\n" for row in rows))
    return len(rows)


def log_odds(counts: Floats) -> Floats:
    """Return log2 of the shares of counts (L, 4), with the pseudocount, over 1/4."""
    totals = counts.sum(axis=1, keepdims=True) + PSEUDOCOUNT
    return np.asarray(np.log2((counts + PSEUDOCOUNT / 4) / totals / 0.25))


def _row(motif: Motif) -> dict[str, object]:
    known = {
        f"{what}_{i + 1}": value
        for i, one in enumerate(motif.matches)
        for what, value in (("match", one.name), ("p", one.p), ("q", one.q), ("strand", "-" if one.is_reverse else "+"))
    }
    return {
        "pattern": motif.name,
        "sign": "positive" if motif.pattern.is_positive else "negative",
        "n_seqlets": motif.pattern.n_seqlets,
        "width_bp": motif.core.end - motif.core.start,
        "consensus": motif.core.consensus,
        "mean_contribution": motif.core.contributions.sum(),
        **known,
    }


def _places(motif: Motif, chrom: np.ndarray, first: np.ndarray) -> Iterator[tuple[str, int, int, str, int, str]]:
    """Yield chromosome, start, end, name, 0 and strand of a motif's seqlets."""
    seqlets = motif.pattern.seqlets
    if seqlets is None:
        return
    begins = np.where(seqlets.is_reverse, seqlets.end - motif.core.end, seqlets.start + motif.core.start)
    begins = begins + first[seqlets.row]
    width = motif.core.end - motif.core.start
    for row, begin, is_reverse in zip(seqlets.row, begins.tolist(), seqlets.is_reverse, strict=True):
        yield str(chrom[row]), begin, begin + width, motif.name, 0, "-" if is_reverse else "+"
