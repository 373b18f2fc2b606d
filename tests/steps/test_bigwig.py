from __future__ import annotations

from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from blocks import block, facts
from scipy.special import logit, softmax

from kerasac.errors import ScoreError
from kerasac.steps.bigwig import TRACKS, prediction_bigwigs
from kerasac.steps.prediction_shards import write_blocks


def values(path: Path, chrom: str, start: int, end: int) -> np.ndarray:
    with pyBigWig.open(str(path)) as file:
        return np.array(file.values(chrom, start, end))


def test_every_track_is_what_its_definition_says(tmp_path: Path) -> None:
    whole = block(4)
    write_blocks(tmp_path / "a.h5", [whole], 4, facts())
    prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t", tracks=list(TRACKS), tasks=["minus"])
    assert whole.label_profile is not None
    shares = softmax(whole.logits[1, :, 1].astype(float))
    counts = whole.label_profile[1, :, 1]
    observed = counts / counts.sum()
    label_logits = logit(observed + 1e-4)
    expected = {
        "predictions_counts": shares * (np.exp(whole.logcount[1, 1]) - 1),
        "predictions_prob": shares,
        "predictions_logits": logit(shares),
        "labels_counts": counts,
        "labels_prob": observed,
        "labels_logits": label_logits,
        "delta_prob": observed - shares,
        "delta_logits": label_logits - logit(shares),
    }
    assert expected.keys() == TRACKS.keys()
    for name, track in expected.items():
        found = values(tmp_path / f"t.minus.{name}.bw", "chr1", 147, 153)
        np.testing.assert_allclose(found, track, rtol=1e-4, atol=1e-6, err_msg=name)
    assert len(list(tmp_path.glob("t.*.bw"))) == len(TRACKS)


def test_one_task_is_not_named_and_labels_are_left_out_where_there_are_none(tmp_path: Path) -> None:
    from kerasac.steps.prediction_shards import PredictionFacts

    one = PredictionFacts(("atac",), "log", 1.0, {"chr1": 1000, "chr2": 1000}, {})
    write_blocks(tmp_path / "a.h5", [block(3, n_tasks=1, labelled=False)], 3, one)
    (written,) = prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t")
    assert written.path == tmp_path / "t.predictions_counts.bw"
    assert written.n_bases == 18


def test_windows_without_counts_have_shares_of_zero(tmp_path: Path) -> None:
    whole = block(2)
    empty = whole._replace(label_profile=np.zeros((2, 6, 2), dtype=np.float32))
    write_blocks(tmp_path / "a.h5", [empty], 2, facts())
    prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t", tracks=["labels_prob"], tasks=["plus"])
    assert (values(tmp_path / "t.plus.labels_prob.bw", "chr1", 97, 103) == 0).all()


def test_a_share_of_one_has_a_finite_logit(tmp_path: Path) -> None:
    whole = block(2)
    logits = np.zeros_like(whole.logits)
    logits[:, 2] = 200
    write_blocks(tmp_path / "a.h5", [whole._replace(logits=logits)], 2, facts())
    written = prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t", tracks=["predictions_logits", "delta_logits"])
    assert all(np.isfinite([one.total, one.least, one.greatest]).all() for one in written)


def test_windows_of_the_reverse_strand_are_left_out(tmp_path: Path) -> None:
    whole = block(2)._replace(reverse=np.array([False, True]))
    write_blocks(tmp_path / "a.h5", [whole], 2, facts())
    written = prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t")
    assert {one.n_bases for one in written} == {6}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tracks": ["prediction_counts"]}, "'prediction_counts' is no track of predictions; did you mean"),
        ({"tracks": ["delta_prob"]}, "delta_prob needs labels, which .* does not have"),
        ({"tasks": ["pluss"]}, "has no task 'pluss'; did you mean 'plus'"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path: Path, options: dict[str, list[str]], message: str) -> None:
    write_blocks(tmp_path / "a.h5", [block(2, labelled=False)], 2, facts())
    with pytest.raises(ScoreError, match=message):
        prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_files_that_are_there_are_replaced_only_when_asked(tmp_path: Path) -> None:
    write_blocks(tmp_path / "a.h5", [block(2)], 2, facts())
    prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t")
    with pytest.raises(ScoreError, match="is there already; choose another --out, or --overwrite"):
        prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t")
    assert prediction_bigwigs(tmp_path / "a.h5", tmp_path / "t", overwrite=True)
