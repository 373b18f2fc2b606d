from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from kerasac.errors import GenomeError, InterpretError
from kerasac.genome.simulate.motifs import MOTIFS
from kerasac.interpret.motifs.meme import read_meme, write_meme

HEAD = "MEME version 4\n\nALPHABET= ACGT\n\n"
ROWS = "0.7 0.1 0.1 0.1\n0 0 1 0\n"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    motifs = {name: motif.pwm for name, motif in MOTIFS.items()}
    write_meme(tmp_path / "a.meme", motifs, n_sites={"AP1-like": 7})
    found = read_meme(tmp_path / "a.meme")
    assert list(found) == list(motifs)
    for name, matrix in found.items():
        np.testing.assert_allclose(matrix, motifs[name], atol=1e-6)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    text = (tmp_path / "a.meme").read_text()
    assert "w= 9 nsites= 7" in text
    assert "w= 14 nsites= 20" in text


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (
            f"MOTIF  MA0363.3\tREB1 \nletter-probability matrix: alength= 4 w= 2 nsites= 9 E= 0\n{ROWS}",
            ["MA0363.3 REB1"],
        ),
        (f"MOTIF one one\n\nletter-probability matrix: w=2\n\n{ROWS}URL x\n", ["one"]),
        (f"MOTIF one\nletter-probability matrix:\n{ROWS}\n{ROWS}", ["one"]),
        (
            "MOTIF one\nlog-odds matrix: alength= 4 w= 1\n1 2 3 4\n"
            f"letter-probability matrix: w= 2\n{ROWS}MOTIF two\nletter-probability matrix: w= 2\n{ROWS}",
            ["one", "two"],
        ),
    ],
)
def test_ways_of_writing_a_motif(body: str, names: list[str], tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.meme.gz", "wt") as out:
        out.write(HEAD + body)
    motifs = read_meme(tmp_path / "a.meme.gz")
    assert list(motifs) == names
    for matrix in motifs.values():
        np.testing.assert_allclose(matrix, [[0.7, 0.1, 0.1, 0.1], [0, 0, 1, 0]], rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">chr1\nACGT\n", "is not in MEME format"),
        ("", "is not in MEME format"),
        ("MEME version 4\nALPHABET= ACDEFGHIKLMNPQRSTVWY\n", "line 2: the alphabet is ACDEFGHIKLMNPQRSTVWY"),
        (HEAD, "holds no motif"),
        (f"{HEAD}MOTIF\n", "line 5: a motif without a name"),
        (f"{HEAD}MOTIF a\nletter-probability matrix: w= 3\n{ROWS}", "2 of its 3 positions"),
        (f"{HEAD}MOTIF a\nletter-probability matrix: w= 3\n{ROWS}\n", "line 9: motif 'a': expected four probabilities"),
        (f"{HEAD}MOTIF a\nletter-probability matrix: w= 1\n0.7 0.1 0.1\n", "found '0.7 0.1 0.1'"),
        (f"{HEAD}MOTIF a\nletter-probability matrix: w= 1\n0.7 0.1 0.1 0.2\n", "position 1 has .* sum to 1"),
        (f"{HEAD}MOTIF a\nletter-probability matrix: w= 1\n1.1 -0.1 0 0\n", "at least 0"),
        (f"{HEAD}MOTIF a\nletter-probability matrix: w= 1\nnan 1 0 0\n", "position 1"),
        (
            f"{HEAD}{f'MOTIF a{chr(10)}letter-probability matrix: w= 2{chr(10)}{ROWS}' * 2}",
            "line 9: a second motif 'a'",
        ),
    ],
)
def test_what_is_no_motif_is_said(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.meme").write_text(text)
    with pytest.raises(InterpretError, match=message):
        read_meme(tmp_path / "a.meme")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(GenomeError, match="does not exist"):
        read_meme(tmp_path / "a.meme")


def test_what_is_no_probability_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InterpretError, match=r"motif 'a' has shape \(4, 9\)"):
        write_meme(tmp_path / "a.meme", {"a": np.zeros((4, 9))})
    assert not list(tmp_path.iterdir())
