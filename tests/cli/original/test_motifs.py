from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from contributions_made import with_motif
from modisco_made import Made, padded, write_modisco
from original_commands import given
from rich.console import Console

from kerasac.cli.original.motifs import aggregate_tomtom, run_modisco
from kerasac.errors import ConfigError
from kerasac.genome.simulate.motifs import MOTIFS
from kerasac.interpret.motifs.meme import read_meme, write_meme
from kerasac.interpret.motifs.patterns import read_patterns

pytest.importorskip("modiscolite")
pytest.importorskip("memelite")

Run = Callable[..., int]
PLANTED = "GTTACCCGT"  # of the motif REB1-like


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with patterns, two positive and a negative one, and known motifs; the working folder."""
    monkeypatch.chdir(tmp_path)
    seqlets = [(0, 10, 40, False)] * 30
    known = padded(MOTIFS["REB1-like"].pwm, 8, 8)
    made = {
        "pos_patterns/pattern_0": Made(known, seqlets),
        "pos_patterns/pattern_1": Made(np.eye(4)[[0, 3] * 10] * 0.8 + 0.05, seqlets[:20]),  # AT repeats: none known
        "neg_patterns/pattern_0": Made(known, seqlets, -1),
    }
    write_modisco(tmp_path / "found.h5", made)
    write_meme(tmp_path / "known.meme", {name: motif.pwm for name, motif in MOTIFS.items()})
    return tmp_path


@pytest.mark.slow
def test_modisco_finds_a_planted_motif_in_arrays(tmp_path: Path, command: Run) -> None:
    tokens, hypothetical, _ = with_motif(600, 100, PLANTED, height=0.1)
    np.save(tmp_path / "x.hyp.profile.npy", hypothetical.astype(np.float64))
    np.save(tmp_path / "x.seq.npy", np.eye(4)[tokens])
    line = (
        f"--hyp_imp {tmp_path}/x.hyp.profile.npy --imp {tmp_path}/x.observed.profile.npy --onehot {tmp_path}/x.seq.npy "
        f"--outfile {tmp_path}/x.modisco --cores 1 --seqlets 5000"
    )
    assert command("kerasAC_run_modisco", line) == 0
    found = read_patterns(tmp_path / "x.modisco")
    assert (len(found.patterns), found.window_bp) == (1, 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "x.hyp.profile.npy",
        "x.modisco",
        "x.modisco.log",
        "x.seq.npy",
    ]


def test_arrays_of_different_peaks_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 20, 4)))
    np.save(tmp_path / "b.npy", np.zeros((2, 20, 4)))
    np.save(tmp_path / "c.npy", np.zeros((2, 20)))
    for second, message in (("b", r"--onehot \(2, 20, 4\)"), ("c", "expected"), ("d", "does not exist")):
        line = f"--hyp_imp {tmp_path}/a.npy --onehot {tmp_path}/{second}.npy --outfile {tmp_path}/o --cores 1"
        with pytest.raises(ConfigError, match=message):
            run_modisco(given("kerasAC_run_modisco", line), Console(quiet=True))


def test_positive_patterns_are_compared_with_known_motifs(folder: Path, command: Run) -> None:
    assert command("kerasAC_tomtom_scan_modisco", "-m found.h5 -o hits.tsv -d known.meme -n 2 -th 0.9 -q 0.001") == 0
    head, first, second = [line.split("\t") for line in (folder / "hits.tsv").read_text().splitlines()]
    assert head == ["Pattern", "num_seqlets", "match_1", "qvalue_1", "match_2", "qvalue_2"]
    assert first[:3] == ["pattern_0", "30", "REB1-like"]
    assert float(first[3]) < 0.001
    assert second == ["pattern_1", "20", "", "", "", ""]
    (core,) = read_meme(folder / "found.h5.pos_patterns.pattern_0.txt").values()
    np.testing.assert_allclose(core, padded(MOTIFS["REB1-like"].pwm, 8, 8), atol=1e-5)


def test_known_ones_are_put_into_one_file_and_on_a_page(folder: Path, command: Run) -> None:
    assert command("kerasAC_tomtom_scan_modisco", "-m found.h5 -o hits.tsv -d known.meme -q 0.001") == 0
    line = "--tomtom_results hits.tsv --modisco_meme_file_dir . --outf all.meme"
    assert command("kerasAC_aggregate_tomtom_motifs", line) == 0
    (name,) = read_meme(folder / "all.meme")
    assert name.startswith("pattern_0|30|REB1-like|")
    assert command("kerasAC_trim_modisco", "--modisco_hits found.h5 --trim_thresh 0.3") == 0
    assert len(list(folder.glob("pos_patterns.pattern_*.cwm.*.png"))) == 4
    line = (
        "--tomtom_hits_file hits.tsv --modisco_plots_folder . --html_prefix_motif_ref_pngs http://k "
        "--html_prefix_modisco_pngs http://o --outf page.html --max_tomtom_hits 5"
    )
    assert command("kerasAC_html_modisco", line) == 0
    page = (folder / "page.html").read_text()
    assert '<img src="http://k/REB1-like.pfm.png" width="240">' in page
    assert '<img src="http://o/pos_patterns.pattern_1.cwm.rev.png" width="240">' in page


def test_without_a_known_one_no_file_is_written(folder: Path) -> None:
    (folder / "hits.tsv").write_text("Pattern\tnum_seqlets\tmatch_1\tqvalue_1\npattern_0\t30\t\t\n")
    line = given("kerasAC_aggregate_tomtom_motifs", "--tomtom_results hits.tsv --modisco_meme_file_dir . --outf a.meme")
    with pytest.raises(ConfigError, match="resembles a known motif"):
        aggregate_tomtom(line, Console(quiet=True))


def test_matrices_are_drawn_as_logos(folder: Path, command: Run) -> None:
    (folder / "pfm").mkdir()
    np.savetxt(folder / "pfm" / "REB1.pfm", MOTIFS["REB1-like"].pwm.T)
    assert command("kerasAC_plot_motifs", f"--motif_file_dir {folder / 'pfm'} --out_dir {folder / 'png'}") == 0
    assert (folder / "png" / "REB1.pfm.png").stat().st_size > 1000
