from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from blocks import block, facts
from scipy.special import softmax

from kerasac.errors import ScoreError
from kerasac.steps.prediction_shards import PredictionFacts, write_blocks
from kerasac.steps.predictions import open_predictions
from kerasac.steps.write_layouts import LayoutName, write_layout


@pytest.mark.parametrize("labelled", [True, False])
def test_bpnet_files_hold_counts_a_base_and_log1p_counts(tmp_path: Path, labelled: bool) -> None:
    whole = block(5, labelled=labelled)
    write_blocks(tmp_path / "a.h5", [whole], 5, facts())
    write_layout(tmp_path / "a.h5", tmp_path / "b.h5", LayoutName.BPNET, {"job": "abc"})
    counts = np.exp(whole.logcount.astype(float)) - 1
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["coords/coords_start"][0] == whole.center[0] - 3
        assert file["coords/coords_end"][0] == whole.center[0] + 3
        expected = softmax(whole.logits.astype(float), axis=1) * counts[:, None]
        np.testing.assert_allclose(file["predictions/pred_profs"][:], expected, rtol=1e-5)
        np.testing.assert_array_equal(file["predictions/pred_logcounts"][:], whole.logcount)
        assert ("predictions/true_profs" in file) == labelled
        assert file.attrs["job"] == "abc"
    with open_predictions(tmp_path / "b.h5") as file:
        assert np.array_equal(file.is_peak, whole.is_peak)


def test_chrombpnet_files_hold_shares_of_one_task(tmp_path: Path) -> None:
    whole = block(4, n_tasks=1)
    write_blocks(tmp_path / "a.h5", [whole], 4, PredictionFacts(("atac",), "log", 0.001, {"chr1": 10**6}, {}))
    write_layout(tmp_path / "a.h5", tmp_path / "c.h5", LayoutName.CHROMBPNET, {})
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["predictions/profs"].shape == (4, 6)
        np.testing.assert_allclose(file["predictions/profs"][:].sum(axis=1), 1, rtol=1e-5)
        expected = np.log1p(np.maximum(np.exp(whole.logcount[:, 0].astype(float)) - 0.001, 0))
        np.testing.assert_allclose(file["predictions/logcounts"][:], expected, rtol=1e-5)
        assert file["coords/coords_peak"][:].tolist() == [1, 0, 1, 0]
        assert file["coords/coords_chrom"].asstr()[0] == "chr1"


def test_a_file_read_again_predicts_the_same_shares_and_counts(tmp_path: Path) -> None:
    whole = block(4)
    write_blocks(tmp_path / "a.h5", [whole], 4, facts())
    write_layout(tmp_path / "a.h5", tmp_path / "b.h5", LayoutName.BPNET, {})
    with open_predictions(tmp_path / "a.h5") as ours, open_predictions(tmp_path / "b.h5") as theirs:
        assert np.array_equal(ours.center, theirs.center)
        assert ours.tasks == theirs.tasks
        rows = slice(None)
        np.testing.assert_allclose(
            softmax(ours.logits(rows), axis=1), softmax(theirs.logits(rows), axis=1), rtol=1e-4, atol=1e-7
        )
        np.testing.assert_allclose(np.exp(ours.logcount(rows)), np.exp(theirs.logcount(rows)), rtol=1e-4)


def test_profiles_of_windows_without_predicted_counts_are_kept(tmp_path: Path) -> None:
    whole = block(4)
    whole = whole._replace(logcount=np.full_like(whole.logcount, -0.1))
    write_blocks(tmp_path / "a.h5", [whole], 4, facts())
    write_layout(tmp_path / "a.h5", tmp_path / "b.h5", LayoutName.BPNET, {})
    with open_predictions(tmp_path / "b.h5") as file:
        shares = softmax(file.logits(slice(None)), axis=1)
        np.testing.assert_allclose(shares, softmax(whole.logits, axis=1), rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(file.logcount(slice(None)), -0.1, rtol=1e-5)


def test_chrombpnets_layout_refuses_several_tasks(tmp_path: Path) -> None:
    write_blocks(tmp_path / "a.h5", [block(2)], 2, facts())
    with pytest.raises(ScoreError, match=r"one task, these predictions have 2 \(plus, minus\); take --layout bpnet"):
        write_layout(tmp_path / "a.h5", tmp_path / "c.h5", LayoutName.CHROMBPNET, {})
