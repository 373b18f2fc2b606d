"""Write scores as kerasAC, chrombpnet and bpnet-lite write theirs, so that their users can compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, log_softmax
from scipy.stats import rankdata

from kerasac.cache import write_whole
from kerasac.steps.count_space import counts_of
from kerasac.steps.profile_scores import Floats, profile_distances
from kerasac.steps.score import Scores, correlation
from kerasac.steps.smoothing import Smoothing
from kerasac.steps.window_scores import BLOCK_WINDOWS, Scorable

BPNET_LITE_COLUMNS = (
    "profile_mnll",
    "profile_jsd",
    "profile_pearson",
    "profile_spearman",
    "count_pearson",
    "count_spearman",
    "count_mse",
)
# What bpnet-lite's `evaluate` smooths observed counts by; beyond a window's ends there is nothing.
_BPNET_LITE_SMOOTHING = Smoothing(7.0, 81, "constant")


def write_kerasac(folder: Path, predictions: Scorable, scores: Scores, *, title: str) -> list[Path]:
    """Write ``kerasac.<task>.summary.txt`` and ``kerasac.<task>.jsd.txt``, tasks by number, of all scored windows.

    Source: kerasAC, ``bpnet_performance_metrics``. As there, counts are compared in the space of the file, the trials
    of the multinomial are exp(observed log count), a window without counts has a likelihood (its trials are the
    pseudocount) but no distance, and pseudoreplicates are compared as log(1 + count). Of a file whose transform is not
    the natural logarithm the trials are the observed counts. Windows are in the order of the file.

    Raises
    ------
    ScoreError
        When the transform of the counts cannot be undone.
    """
    order = np.argsort(scores.rows)
    rows = scores.rows[order]
    where = [
        f"{name}\t{center}" for name, center in zip(predictions.chrom[rows], predictions.center[rows], strict=True)
    ]
    paths = []
    for task, name in enumerate(predictions.tasks):
        jsd, nll = scores.profiles[name].jsd, _kerasac_nll(scores, task, predictions)
        ceiling = None if scores.ceiling is None else scores.ceiling.jsd[:, task]
        summary = _kerasac_summary(scores, task, jsd, nll, ceiling)
        lines = ["\t".join(["Title", *summary]), "\t".join([title, *(str(value) for value in summary.values())])]
        others: Sequence[object] = [None] * len(order) if ceiling is None else ceiling[order].tolist()
        columns = zip(where, jsd[order].tolist(), others, nll[order].tolist(), strict=True)
        by_window = ["Region\tJSD\tPseudorepJSD\tNLL", *("\t".join(map(str, row)) for row in columns)]
        for kind, text in (("summary", lines), ("jsd", by_window)):
            paths.append(folder / f"kerasac.{task}.{kind}.txt")
            write_whole(paths[-1], "\n".join(text) + "\n")
    return paths


def write_chrombpnet(folder: Path, predictions: Scorable, scores: Scores) -> list[Path]:
    """Write chrombpnet's ``*_metrics.json``, a file a task by number, of the window sets that there are.

    Source: chrombpnet, ``training/predict.py``. Counts are compared as log(1 + count), whatever the file's transform.
    """
    is_peak = predictions.is_peak[scores.rows]
    sets = {"peaks_and_nonpeaks": np.ones(len(is_peak), dtype=bool), "nonpeaks": ~is_peak, "peaks": is_peak}
    if is_peak.all() or not is_peak.any():
        del sets["peaks_and_nonpeaks"]
    members = {name: member for name, member in sets.items() if member.any()}
    predicted, observed = _log1p(scores.predicted, predictions), _log1p(scores.observed, predictions)
    paths = []
    for task, name in enumerate(predictions.tasks):
        profiles = scores.profiles[name]
        x, y = predicted[:, task], observed[:, task]
        document = {
            "counts_metrics": {
                key: dict(zip(("spearmanr", "pearsonr", "mse"), _count_metrics(x[member], y[member]), strict=True))
                for key, member in members.items()
            },
            "profile_metrics": {
                key: {
                    "median_jsd": _over(np.median, profiles.jsd[member]),
                    "median_norm_jsd": _over(np.median, profiles.jsd_norm[member]),
                }
                for key, member in members.items()
            },
        }
        number = f".{task}" if len(predictions.tasks) > 1 else ""
        paths.append(folder / f"chrombpnet{number}_metrics.json")
        write_whole(paths[-1], json.dumps(document, indent=4) + "\n")
    return paths


def write_bpnet_lite(folder: Path, predictions: Scorable, scores: Scores) -> list[Path]:
    """Write bpnet-lite's table of one line, means over windows and tasks: ``bpnet-lite.performance.tsv``.

    Source: bpnet-lite, ``performance.py`` and ``cli/bpnet.py`` (evaluate). Observed profiles are smoothed (Gaussian of
    sigma 7 and width 81) for all but the likelihood; counts are compared as log(1 + sum over tasks); ranks of equal
    values are as they lie. Predictions are read once more. Windows without counts, which make its mean distance NaN,
    are left out of the distance.
    """
    windows = np.sort(scores.rows)
    parts = [_bpnet_lite_profiles(predictions, rows[0], rows[1]) for rows in _blocks_of(windows, predictions.n_windows)]
    jsd, pearson, spearman = (np.concatenate([np.empty(0), *column]) for column in zip(*parts, strict=True))
    in_file = np.argsort(scores.rows)  # ties are broken by the order of windows
    predicted = np.log1p(counts_of(scores.predicted, predictions).sum(axis=1))[in_file]
    observed = np.log1p(sum(scores.profiles[name].counts for name in predictions.tasks))[in_file]
    ranked = correlation(_places(predicted).astype(np.float64), _places(observed).astype(np.float64))
    _, pearson_r, mse = _count_metrics(predicted, observed)
    mnll = np.concatenate([np.nan_to_num(_own_trials(scores, task)) for task in range(len(predictions.tasks))])
    values = [_over(np.mean, mnll), _over(np.mean, jsd), _over(np.mean, pearson), _over(np.mean, spearman)]
    values += [pearson_r, ranked, mse]
    path = folder / "bpnet-lite.performance.tsv"
    write_whole(path, "\t".join(BPNET_LITE_COLUMNS) + "\n" + "\t".join(map(_text, values)) + "\n")
    return [path]


def _kerasac_summary(
    scores: Scores, task: int, jsd: Floats, nll: Floats, ceiling: Floats | None
) -> Mapping[str, float | None]:
    predicted, observed = scores.predicted[:, task], scores.observed[:, task]
    spearman, pearson, mse = _count_metrics(predicted, observed)
    others: dict[str, float | None] = dict.fromkeys(("Pearson", "Spearman", "MeanJSD", "StdJSD"))
    if scores.ceiling is not None and ceiling is not None:
        first, second = np.log1p(scores.ceiling.counts[:, :, task])
        others["Spearman"], others["Pearson"], _ = _count_metrics(first, second)
        others["MeanJSD"], others["StdJSD"] = _over(np.mean, ceiling), _over(np.std, ceiling)
    return {
        "Pearson": pearson,
        "Spearman": spearman,
        "MSE": mse,
        "PseudorepPearson": others["Pearson"],
        "PseudorepSpearman": others["Spearman"],
        "MeanJSD": _over(np.mean, jsd),
        "StdJSD": _over(np.std, jsd),
        "MeanPseudorepJSD": others["MeanJSD"],
        "StdPseudorepJSD": others["StdJSD"],
        "MeanMNNLL": _over(np.mean, nll),
        "StdMNNLL": _over(np.std, nll),
    }


def _kerasac_nll(scores: Scores, task: int, predictions: Scorable) -> Floats:
    """Likelihoods whose trials are the window's count (of logarithms exp of it), also of windows without counts."""
    observed = scores.observed[:, task]
    trials = np.exp(observed) if predictions.transform in ("log", "log1p") else counts_of(observed, predictions)
    counts = scores.profiles[scores.task_names[task]].counts
    found = _own_trials(scores, task) + gammaln(counts + 1) - gammaln(trials + 1)
    return np.where(counts > 0, found, -gammaln(trials + 1))


def _own_trials(scores: Scores, task: int) -> Floats:
    """Likelihoods whose trials are the counts of the profile; NaN where there are none."""
    profiles = scores.profiles[scores.task_names[task]]
    if scores.settings.get("mnll_trials") != "logcount":
        return profiles.mnll
    return profiles.mnll + gammaln(np.exp(scores.observed[:, task]) + 1) - gammaln(profiles.counts + 1)


def _bpnet_lite_profiles(predictions: Scorable, rows: slice, inside: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Divergence, Pearson and Spearman correlation of a block's windows and tasks, flat."""
    block = predictions.take(rows).take(inside)
    observed = _BPNET_LITE_SMOOTHING.smooth(block.label_profile).astype(np.float64)
    shares = np.exp(log_softmax(block.logits.astype(np.float64), axis=1))
    jsd = [profile_distances(observed[:, :, task], shares[:, :, task]) ** 2 for task in range(len(predictions.tasks))]
    ranks = _row_correlations(_places(shares), _places(observed))
    return np.concatenate(jsd), _row_correlations(shares, observed), ranks


def _places(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Place of each window, or of each base along axis 1, in the order of values; equal ones as they lie."""
    axis = min(values.ndim - 1, 1)
    return np.argsort(np.argsort(values, axis=axis, kind="stable"), axis=axis)


def _row_correlations(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Floats:
    """Pearson correlation along bases, of each window and task; 0 where a side is constant."""
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    below = np.sqrt((dx**2).sum(axis=1) * (dy**2).sum(axis=1))
    found: Floats = np.divide((dx * dy).sum(axis=1), below, out=np.zeros_like(below), where=below > 0)
    return found.ravel()


def _blocks_of(windows: npt.NDArray[np.int64], n: int) -> Iterator[tuple[slice, npt.NDArray[np.int64]]]:
    """Yield blocks of rows, and which of each are among the windows."""
    for low in range(0, max(n, 1), BLOCK_WINDOWS):
        first, last = np.searchsorted(windows, [low, low + BLOCK_WINDOWS])
        yield slice(low, low + BLOCK_WINDOWS), windows[first:last] - low


def _count_metrics(x: Floats, y: Floats) -> tuple[float | None, float | None, float | None]:
    """Spearman and Pearson correlation, and mean squared difference."""
    return correlation(rankdata(x), rankdata(y)), correlation(x, y), _over(np.mean, (x - y) ** 2)


def _log1p(values: Floats, predictions: Scorable) -> Floats:
    """Put counts into the space of log(1 + count), untouched where they are in it."""
    is_log1p = predictions.transform == "log1p" or (predictions.transform == "log" and predictions.pseudocount == 1)
    return values if is_log1p else np.log1p(counts_of(values, predictions))


def _over(statistic: Callable[[Floats], Any], values: Floats) -> float | None:
    defined = values[~np.isnan(values)]
    return float(statistic(defined)) if len(defined) else None


def _text(value: float | None) -> str:
    return "nan" if value is None else str(value)
