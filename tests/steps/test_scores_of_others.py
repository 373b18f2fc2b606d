"""Files in the forms of kerasAC, chrombpnet and bpnet-lite hold the numbers that those tools give."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import jensenshannon
from scipy.special import gammaln, log_softmax, softmax
from scipy.stats import pearsonr, spearmanr
from simulated import Halves, reorder, simulate, without_counts

from kerasac.steps.predictions import Predictions, read_predictions
from kerasac.steps.score import score
from kerasac.steps.score_settings import ScoreSettings
from kerasac.steps.scores_of_others import write_bpnet_lite, write_chrombpnet, write_kerasac


@pytest.mark.shared
@pytest.mark.parametrize(("name", "label_range"), [("all", (None, None)), ("filtered", (4.0, 5.5))])
def test_kerasacs_summary_is_reproduced(
    shared_dir: Path, tmp_path: Path, name: str, label_range: tuple[float | None, float | None]
) -> None:
    folder = shared_dir / "reference"
    expected = json.loads((folder / "kerasac_bpnet_scores.json").read_text())
    predictions = read_predictions(folder / "scores_in.predictions")
    write_kerasac(tmp_path, predictions, score(predictions, ScoreSettings(label_range=label_range)), title="golden")
    for task in (0, 1):
        (row,) = pd.read_csv(tmp_path / f"kerasac.{task}.summary.txt", sep="\t", keep_default_na=False).to_dict(
            "records"
        )
        known = expected[f"{name}.{task}"]
        assert list(row) == list(known)
        for column, value in known.items():
            if value in ("golden", "None"):
                assert row[column] == value
            else:
                assert float(row[column]) == pytest.approx(float(value), abs=1e-6)


def test_kerasacs_windows_are_in_the_order_of_the_file_with_empty_ones_as_it_has_them(tmp_path: Path) -> None:
    predictions = without_counts(simulate(n=8, tasks=("cuts",)), [3])
    predictions = dataclasses.replace(
        predictions, label_logcount=np.log(predictions.label_profile.sum(axis=1) + 0.001), pseudocount=0.001
    )
    scores = score(predictions, ScoreSettings(mnll_trials="logcount"), pseudoreplicates=Halves())
    summary, windows = write_kerasac(tmp_path, predictions, scores, title="t")
    lines = [line.split("\t") for line in windows.read_text().splitlines()]
    assert lines[0] == ["Region", "JSD", "PseudorepJSD", "NLL"]
    assert [(line[0], int(line[1])) for line in lines[1:]] == list(
        zip(predictions.chrom, predictions.center, strict=True)
    )
    counts, logits = predictions.label_profile[:, :, 0].astype(float), predictions.logits[:, :, 0].astype(float)
    trials = np.exp(predictions.label_logcount[:, 0].astype(float))
    for row, line in enumerate(lines[1:]):
        nll = -(
            gammaln(trials[row] + 1) - gammaln(counts[row] + 1).sum() + (counts[row] * log_softmax(logits[row])).sum()
        )
        assert float(line[4]) == pytest.approx(nll, abs=1e-6)
        if row == 3:
            assert line[2:4] == ["nan", "nan"]
        else:
            assert float(line[2]) == pytest.approx(jensenshannon(counts[row], softmax(logits[row])), abs=1e-9)
    (found,) = pd.read_csv(summary, sep="\t").to_dict("records")
    halves = [np.log1p(half.sum(axis=1)[:, 0]) for half in Halves().read(predictions)]
    assert found["PseudorepPearson"] == pytest.approx(pearsonr(*halves).statistic)
    assert found["PseudorepSpearman"] == pytest.approx(spearmanr(*halves).statistic)


@pytest.mark.parametrize(
    ("transform", "forward"),
    [("none", lambda counts: counts), ("log10", lambda counts: np.log10(counts + 1)), ("asinh", np.arcsinh)],
)
def test_kerasacs_trials_are_counts_whatever_the_transform(
    tmp_path: Path, transform: str, forward: Callable[[np.ndarray], np.ndarray]
) -> None:
    predictions = simulate(n=8, tasks=("cuts",))
    counts = predictions.label_profile[:, :, 0].astype(float)
    observed = forward(counts.sum(axis=1, keepdims=True))
    stated = dataclasses.replace(predictions, label_logcount=observed, transform=transform)
    summary, windows = write_kerasac(tmp_path, stated, score(stated), title="t")
    logits = predictions.logits[:, :, 0].astype(float)
    nll = -gammaln(counts.sum(axis=1) + 1) + gammaln(counts + 1).sum(axis=1)
    nll -= (counts * log_softmax(logits, axis=1)).sum(axis=1)
    np.testing.assert_allclose(pd.read_csv(windows, sep="\t", skiprows=1, header=None)[4], nll, atol=1e-2)
    (found,) = pd.read_csv(summary, sep="\t").to_dict("records")
    assert found["MSE"] == pytest.approx(np.mean((predictions.logcount - observed) ** 2)), "in the space of the file"


@pytest.mark.shared
def test_chrombpnets_medians_are_reproduced(shared_dir: Path, tmp_path: Path) -> None:
    expected = json.loads((shared_dir / "reference" / "chrombpnet_profile_scores.json").read_text())
    predictions = read_predictions(shared_dir / "reference" / "scores_in.predictions")
    write_chrombpnet(tmp_path, predictions, score(predictions))
    found = json.loads((tmp_path / "chrombpnet.0_metrics.json").read_text())
    assert set(found["profile_metrics"]) == {"peaks"}
    assert found["profile_metrics"]["peaks"] == pytest.approx(
        {name: expected[name] for name in ("median_jsd", "median_norm_jsd")}, abs=1e-6
    )


@pytest.mark.parametrize(("transform", "pseudocount"), [("log1p", 1.0), ("log", 0.001), ("none", 1.0)])
def test_chrombpnets_counts_are_in_its_space_whatever_the_files_is(
    tmp_path: Path, transform: str, pseudocount: float
) -> None:
    predictions = simulate(tasks=("cuts",))
    counts = [np.expm1(side) for side in (predictions.label_logcount, predictions.logcount)]
    forward = {"log1p": np.log1p, "log": lambda c: np.log(c + pseudocount), "none": lambda c: c}[transform]
    observed, predicted = (forward(side).astype(np.float32) for side in counts)
    stated = dataclasses.replace(
        predictions, label_logcount=observed, logcount=predicted, transform=transform, pseudocount=pseudocount
    )
    (path,) = write_chrombpnet(tmp_path, stated, score(stated))
    assert path.name == "chrombpnet_metrics.json"
    found = json.loads(path.read_text())["counts_metrics"]
    for name, member in (
        ("peaks", predictions.is_peak),
        ("nonpeaks", ~predictions.is_peak),
        ("peaks_and_nonpeaks", np.ones(60, dtype=bool)),
    ):
        x, y = (np.log1p(side[member, 0].astype(float)) for side in counts)
        assert found[name]["pearsonr"] == pytest.approx(pearsonr(x, y).statistic, abs=1e-5)
        assert found[name]["spearmanr"] == pytest.approx(spearmanr(x, y).statistic, abs=1e-3)
        assert found[name]["mse"] == pytest.approx(np.mean((x - y) ** 2), abs=1e-5)


def _bpnet_lite(predictions: Predictions) -> dict[str, float]:
    """What bpnet-lite's ``evaluate`` says, window by window and task by task."""
    rows: dict[str, list[float]] = {name: [] for name in ("mnll", "jsd", "pearson", "spearman")}
    for counts, logits in zip(predictions.label_profile.astype(float), predictions.logits.astype(float), strict=True):
        for task in range(len(predictions.tasks)):
            k, log_p = counts[:, task], log_softmax(logits[:, task])
            smooth = gaussian_filter1d(k, 7, radius=40, mode="constant").astype(np.float32)
            rows["mnll"].append(-gammaln(k.sum() + 1) + gammaln(k + 1).sum() - (k * log_p).sum())
            rows["jsd"].append(jensenshannon(smooth, np.exp(log_p)) ** 2)
            rows["pearson"].append(np.corrcoef(smooth, np.exp(log_p))[0, 1])
            ranks = [np.argsort(np.argsort(side, kind="stable")) for side in (smooth, np.exp(log_p))]
            rows["spearman"].append(np.corrcoef(*ranks)[0, 1])
    x = np.log1p(np.expm1(predictions.logcount.astype(float)).sum(axis=1))
    y = np.log1p(predictions.label_profile.sum(axis=(1, 2)).astype(float))
    profile = {f"profile_{name}": float(np.mean(values)) for name, values in rows.items()}
    return profile | {
        "count_pearson": pearsonr(x, y).statistic,
        "count_spearman": np.corrcoef(*(np.argsort(np.argsort(side, kind="stable")) for side in (x, y)))[0, 1],
        "count_mse": float(np.mean((x - y) ** 2)),
    }


@pytest.mark.parametrize("label_range", [(None, None), (3.0, 4.0)])
def test_bpnet_lites_table_is_its_means_over_windows_and_strands(
    tmp_path: Path, label_range: tuple[float | None, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerasac.steps.scores_of_others.BLOCK_WINDOWS", 17)
    predictions = simulate(length=120)
    scores = score(predictions, ScoreSettings(label_range=label_range))
    (path,) = write_bpnet_lite(tmp_path, predictions, scores)
    (found,) = pd.read_csv(path, sep="\t").to_dict("records")
    assert found == pytest.approx(_bpnet_lite(reorder(predictions, np.sort(scores.rows))), rel=1e-5)
