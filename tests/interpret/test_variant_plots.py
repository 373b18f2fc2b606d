"""A variant's figure shows both alleles, of one track or two, with profiles or without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kerasac.interpret.plots.variants import variant_figure
from kerasac.interpret.variants import Change, GivenVariant

pytestmark = pytest.mark.keras  # what is drawn is made with models

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("tracks", "change"),
    [
        (("plus", "minus"), Change(0, "A", "C")),
        (("all",), Change(1, "", "ACGTTACCAGTTACGATTAG")),
        (("a", "b", "c"), Change(1, "ACG", "")),
        ((), Change(0, "A", "C")),
    ],
)
def test_alleles_of_any_kind_are_drawn(tracks: tuple[str, ...], change: Change, tmp_path: Path) -> None:
    from kerasac.interpret.variant_drawings import DrawnVariant

    profiles = RNG.random((2, 60, len(tracks))) if tracks else None
    drawn = DrawnVariant(
        variant=GivenVariant("rs1", "chr1", 1234, f"G{change.ref}", f"G{change.alt}"),
        change=change,
        target="plus+minus",
        tracks=tracks,
        scores={"log2fc": -1.0, "jsd": float("nan")},
        n_models=2,
        held_out=True,
        profiles=profiles,
        contributions=RNG.normal(size=(2, 200, 4)),
    )
    figure = variant_figure(drawn)
    figure.savefig(tmp_path / "v.png", dpi=50)
    assert len(figure.axes) == (3 if tracks else 2)
    texts = " ".join(text.get_text() for text in figure.texts) + figure.get_suptitle()
    assert "rs1" in texts
    assert "nan" not in texts
