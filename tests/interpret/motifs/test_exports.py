from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contributions_made import with_motif, write_contributions
from modisco_made import Made, padded, write_modisco
from pages import page_text

from kerasac.genome.simulate.motifs import MOTIFS
from kerasac.interpret.contributions import open_contributions
from kerasac.interpret.motifs.exports import log_odds, write_motifs, write_seqlets, write_table
from kerasac.interpret.motifs.matching import Match
from kerasac.interpret.motifs.meme import read_meme
from kerasac.interpret.motifs.motif import Motif
from kerasac.interpret.motifs.patterns import read_patterns
from kerasac.interpret.motifs.report import write_report
from kerasac.interpret.motifs.trim import Trim, trimmed

PWM = MOTIFS["REB1-like"].pwm


def motif(folder: Path, *, seqlets: list[tuple[int, int, int, bool]] | None = None, sign: int = 1) -> Motif:
    """REB1's motif in a pattern with two positions before and one after it."""
    group = "pos_patterns" if sign > 0 else "neg_patterns"
    probabilities = padded(PWM, 2, 1)
    made = Made(probabilities, seqlets or [(0, 0, 12, False)] * 40, sign)
    path = write_modisco(folder / "m.h5", {f"{group}/pattern_0": made}, window_bp=60)
    (pattern,) = read_patterns(path).patterns
    core = trimmed(pattern, Trim(0, 0))._replace(start=2, end=11, probabilities=PWM, contributions=sign * PWM)
    matches = (
        Match("MA0363.3 REB1", 1e-7, 2e-5, True, -2, padded(PWM, 2, 0)),
        Match("MA0001.1 <far>", 0.2, 0.9, False, 4, PWM),
    )
    return Motif(pattern, core, matches)


def test_the_table_has_a_row_a_motif(tmp_path: Path) -> None:
    write_table(tmp_path / "t.tsv", [motif(tmp_path)], n_matches=3)
    (row,) = pd.read_csv(tmp_path / "t.tsv", sep="\t").to_dict("records")
    assert row["pattern"] == "pos_patterns.pattern_0"
    assert (row["sign"], row["n_seqlets"], row["width_bp"]) == ("positive", 40, 9)
    assert row["consensus"] == "RTTACCCGK"
    assert (row["match_1"], row["q_1"], row["strand_1"], row["strand_2"]) == ("MA0363.3 REB1", 2e-5, "-", "+")
    assert pd.isna(row["match_3"])


def test_a_table_without_motifs_has_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "t.tsv", [], n_matches=1)
    columns = pd.read_csv(tmp_path / "t.tsv", sep="\t").columns.tolist()
    assert columns[:2] == ["pattern", "sign"]
    assert columns[-1] == "strand_1"


def test_matrices_are_written_base_by_base(tmp_path: Path) -> None:
    write_motifs(tmp_path, [motif(tmp_path)])
    np.testing.assert_allclose(read_meme(tmp_path / "motifs.meme")["pos_patterns.pattern_0"], PWM, atol=1e-6)
    assert "nsites= 40" in (tmp_path / "motifs.meme").read_text()
    read = {
        kind: np.loadtxt(tmp_path / "matrices" / f"pos_patterns.pattern_0.{kind}") for kind in ("pfm", "pwm", "cwm")
    }
    np.testing.assert_allclose(read["pfm"], 40 * PWM.T, rtol=1e-5)
    np.testing.assert_allclose(read["pwm"], np.log2((40 * PWM.T + 0.25) / 41 / 0.25), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(read["cwm"], PWM.T, rtol=1e-5)


def test_odds_of_bases_that_were_never_seen_are_finite() -> None:
    assert np.isfinite(log_odds(np.array([[9.0, 0, 0, 0]]))).all()


def test_seqlets_lie_on_the_motif_whichever_its_strand(tmp_path: Path) -> None:
    """Windows of 100 bases of which the middle 60 are searched; the pattern begins two bases before its motif."""
    tokens, hypothetical, starts = with_motif(6, 100, "GTTACCCGT")
    path = write_contributions(tmp_path / "c.h5", tokens, hypothetical, start=1000 + 200 * np.arange(6))
    places = [
        (row, at - 20 - (2 if row % 2 == 0 else 1), at - 20 - (2 if row % 2 == 0 else 1) + 12, row % 2 == 1)
        for row, at in enumerate(starts.tolist())
    ]
    with open_contributions(path) as contributions:
        assert write_seqlets(tmp_path / "s.bed", [motif(tmp_path, seqlets=places)], contributions, 60) == 6
    rows = [line.split("\t") for line in (tmp_path / "s.bed").read_text().splitlines()]
    assert [(int(row[1]), int(row[2])) for row in rows] == [
        (1000 + 200 * i + at, 1000 + 200 * i + at + 9) for i, at in enumerate(starts.tolist())
    ]
    assert [row[5] for row in rows] == ["+", "-"] * 3
    assert {row[0] for row in rows} == {"chr1"}


def report(folder: Path, motifs: list[Motif], **options: str) -> Path:
    path = folder / "motifs.html"
    write_report(path, motifs, name="my <run>", database="JASPAR", facts={"window": "400"}, **options)
    return path


def test_the_page_names_its_motifs_and_needs_no_network(tmp_path: Path) -> None:
    path = report(tmp_path, [motif(tmp_path), motif(tmp_path, sign=-1)])
    text = page_text(path)
    assert "2 motifs from 80 seqlets. 2 of them resemble a known motif of JASPAR (q < 0.05)." in text
    assert "Bases that raise the prediction" in text
    assert "Bases that lower the prediction" in text
    assert "MA0363.3 REB1" in text
    assert "p 1.0 × 10⁻⁷, q 2.0 × 10⁻⁵, reverse complement" in text
    assert "MA0001.1 <far> , not near enough" in text
    html = path.read_text()
    assert "<far>" not in html
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "<script" not in html


def test_every_logo_has_a_text_and_every_letter_is_defined_once(tmp_path: Path) -> None:
    html = report(tmp_path, [motif(tmp_path)]).read_text()
    assert html.count('<svg class="logo" role="img" aria-label="') == html.count('<svg class="logo"') == 6
    assert all(html.count(f'id="letter-{letter}"') == 1 for letter in "ACGT")
    assert html.count("<use ") > 40


def test_a_page_without_motifs_says_why(tmp_path: Path) -> None:
    text = page_text(report(tmp_path, [], why_none="Nothing was found: give more windows."))
    assert "Nothing was found: give more windows." in text


@pytest.mark.parametrize("sign", [1, -1])
def test_logos_of_a_motif_and_its_matches_are_aligned(sign: int, tmp_path: Path) -> None:
    """One match begins two bases before the motif, the other ends four behind it: 15 columns of 22 pixels."""
    html = report(tmp_path, [motif(tmp_path, sign=sign)]).read_text()
    widths = [part.split('viewBox="0 -1 ')[1].split()[0] for part in html.split('<svg class="logo"')[1:5]]
    assert widths == ["330"] * 4
