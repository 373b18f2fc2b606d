"""Write the page that shows the motifs of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasac.interpret.motifs.matching import LEAST_TARGETS, Q_LIMIT
from kerasac.interpret.motifs.motif import Motif
from kerasac.interpret.motifs.patterns import Floats
from kerasac.interpret.plots.logo import information_heights
from kerasac.interpret.plots.logo_svg import letter_outlines, logo_svg
from kerasac.steps.page import plural, write_page

PAGE = "motifs.html"
_TEMPLATE = Path(__file__).parents[1] / "templates" / "motifs.html.j2"
_BITS = 2.0  # of a base that is sure


class Known(NamedTuple):
    """A known motif beside the one it resembles."""

    name: str
    p: str
    q: str
    strand: str
    is_match: bool
    logo: str


class Shown(NamedTuple):
    """A motif on the page; logos are SVG, those of one motif and its matches equally wide and aligned."""

    name: str
    title: str
    known: str
    q: str
    n_seqlets: int
    share: str
    consensus: str
    width_bp: int
    least: str
    highest: str
    contributions: str
    information: str
    whole_contributions: str
    whole_information: str
    whole_bp: int
    matches: list[Known]


def write_report(
    path: Path, motifs: Sequence[Motif], *, name: str, database: str, facts: Mapping[str, str], why_none: str = ""
) -> None:
    """Write ``motifs.html``, which needs no other file, no script and no network.

    ``database`` names where known motifs are from; ``facts`` are shown as they are;
    ``why_none`` says what it means that there are no motifs.
    """
    shown = {
        "Bases that raise the prediction": [_shown(motif, motifs) for motif in motifs if motif.pattern.is_positive],
        "Bases that lower the prediction": [_shown(motif, motifs) for motif in motifs if not motif.pattern.is_positive],
    }
    write_page(
        path,
        _TEMPLATE,
        name=name,
        lead=_lead(motifs, database) if motifs else why_none,
        groups={title: group for title, group in shown.items() if group},
        outlines=letter_outlines(),
        database=database,
        facts=facts,
        q_limit=Q_LIMIT,
        least_targets=LEAST_TARGETS,
    )


def _lead(motifs: Sequence[Motif], database: str) -> str:
    seqlets = sum(motif.pattern.n_seqlets for motif in motifs)
    found = f"{plural(len(motifs), 'motif')} from {plural(seqlets, 'seqlet')}."
    known = sum(motif.known is not None for motif in motifs)
    verb = "resembles" if known == 1 else "resemble"
    return f"{found} {known} of them {verb} a known motif of {database} (q < {Q_LIMIT:g})."


def _shown(motif: Motif, motifs: Sequence[Motif]) -> Shown:
    core, pattern = motif.core, motif.pattern
    width = core.end - core.start
    before = max([0, *(-one.offset for one in motif.matches)])
    after = max([0, *(one.offset + len(one.probabilities) - width for one in motif.matches)])
    columns = before + width + after
    total = sum(one.pattern.n_seqlets for one in motifs if one.pattern.is_positive == pattern.is_positive)
    stacks = core.contributions.sum(axis=1)
    label = f"{motif.name}, {core.letters}"
    return Shown(
        name=motif.name,
        title=_title(motif),
        known=motif.known.name if motif.known else "",
        q=_small(motif.known.q) if motif.known else "",
        n_seqlets=pattern.n_seqlets,
        share=f"{100 * pattern.n_seqlets / max(total, 1):.0f} %",
        consensus=core.letters,
        width_bp=width,
        least=_signed(stacks.min()),
        highest=_signed(stacks.max()),
        contributions=logo_svg(_placed(core.contributions, before, columns), f"Mean contributions of {label}"),
        information=_bits(_placed(information_heights(core.probabilities), before, columns), f"Bases of {label}"),
        whole_contributions=logo_svg(pattern.contributions, f"Mean contributions of all of {motif.name}"),
        whole_information=_bits(information_heights(pattern.probabilities), f"Bases of all of {motif.name}"),
        whole_bp=len(pattern.contributions),
        matches=[
            Known(
                name=one.name,
                p=_small(one.p),
                q=_small(one.q),
                strand="reverse complement" if one.is_reverse else "as in the database",
                is_match=one.q < Q_LIMIT,
                logo=_bits(
                    _placed(information_heights(one.probabilities), before + one.offset, columns),
                    f"Bases of {one.name}",
                ),
            )
            for one in motif.matches
        ],
    )


def _title(motif: Motif) -> str:
    """Return the other name of the known motif, without its identifier; else the consensus."""
    return motif.known.name.split(" ", 1)[-1] if motif.known else motif.core.letters


def _bits(heights: Floats, label: str) -> str:
    return logo_svg(heights, label, top=_BITS, low=0.0)


def _placed(heights: Floats, at: int, columns: int) -> Floats:
    """Put a logo at a column among empty ones."""
    whole = np.zeros((columns, 4))
    whole[at : at + len(heights)] = heights
    return whole


def _small(value: float) -> str:
    """Return ``0.012`` or ``3.4 × 10⁻⁷``."""
    if value >= 0.001 or value == 0:
        return f"{value:.2g}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits} × 10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _signed(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")
