"""Read the summaries that kerasAC and chrombpnet write of a model, as scores by window set and metric."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kerasac.errors import ScoreError

_JSD = "Jensen–Shannon distance (square root of the divergence, natural log, 0 to 0.8326)"
_KERASAC = "from kerasAC's summary"
_CHROMBPNET = "from chrombpnet's metrics"
# Columns of kerasAC's <outf>.<task>.summary.txt: the metric's name here, and what it is.
_KERASAC_COLUMNS = {
    "Pearson": ("counts_pearson", "Pearson correlation of predicted and observed log counts; higher is better"),
    "Spearman": ("counts_spearman", "Spearman rank correlation of predicted and observed log counts; higher is better"),
    "MSE": ("counts_mse", "Mean squared difference of predicted and observed log counts; lower is better"),
    "MeanJSD": ("jsd_distance_mean", f"{_JSD} of predicted and observed profile, mean; lower is better"),
    "StdJSD": ("jsd_distance_sd", f"{_JSD} of predicted and observed profile, standard deviation over windows"),
    "MeanMNNLL": ("mnll_mean", "Multinomial negative log likelihood of the profile, mean; lower is better"),
    "StdMNNLL": ("mnll_sd", "Multinomial negative log likelihood of the profile, standard deviation over windows"),
    "PseudorepPearson": ("counts_pearson_pseudoreplicate", "Pearson correlation of log counts of the pseudoreplicates"),
    "PseudorepSpearman": (
        "counts_spearman_pseudoreplicate",
        "Spearman rank correlation of log counts of the pseudoreplicates",
    ),
    "MeanPseudorepJSD": ("jsd_distance_mean_pseudoreplicate", f"{_JSD} of the pseudoreplicates' profiles, mean"),
    "StdPseudorepJSD": ("jsd_distance_sd_pseudoreplicate", f"{_JSD} of the pseudoreplicates' profiles, sd"),
}
_CHROMBPNET_NAMES = {
    "pearsonr": ("counts_pearson", "Pearson correlation of predicted and observed log(count + 1); higher is better"),
    "spearmanr": ("counts_spearman", "Spearman rank correlation of log(count + 1); higher is better"),
    "mse": ("counts_mse", "Mean squared difference of predicted and observed log(count + 1); lower is better"),
    "median_jsd": ("jsd_distance_median", f"{_JSD} of predicted and observed profile, median; lower is better"),
    "median_norm_jsd": ("jsd_norm_median", f"{_JSD} scaled from uniform (0) to perfect (1), median; higher is better"),
}
_CHROMBPNET_WINDOWS = {"peaks": "peaks", "nonpeaks": "background", "peaks_and_nonpeaks": "all"}


class Listed(NamedTuple):
    """A line of a table of files: the file, and what the table says of it."""

    path: Path
    facts: dict[str, str]


def read_scores_file(path: Path) -> dict[str, Any]:
    """Read one model's scores in the shape of scores.json, whichever tool wrote the file.

    Known are scores.json, kerasAC's ``<outf>.<task>.summary.txt`` (its windows are called ``all``) and chrombpnet's
    ``*_metrics.json`` (peaks, nonpeaks as ``background``, both as ``all``). Names are those used here; definitions
    name the tool, as theirs may differ from ours in detail.

    Raises
    ------
    ScoreError
        When the file is missing, or none of these.
    """
    text = _text(path)
    if text.lstrip().startswith("{"):
        return _from_json(text, path)
    rows = _rows(text)
    if rows and {"Pearson", "MeanJSD"} <= set(rows[0]):
        if len(rows) > 1:
            raise ScoreError(f"{path} has {len(rows)} rows; a summary of kerasAC has one, of one task")
        return _scores({"all": _named(rows[0], _KERASAC_COLUMNS)}, _KERASAC_COLUMNS, _KERASAC)
    raise ScoreError(
        f"{path} is neither scores.json, nor kerasAC's summary.txt, nor chrombpnet's metrics.json, nor a table with a "
        "column File"
    )


def read_file_table(path: Path) -> list[Listed] | None:
    """Read a table of files, as kerasAC's aggregate_summaries takes it; None when the file is not such a table.

    A tab-separated table with a header: the column File names a summary (relative to the table's folder), all others
    say what it is of.
    """
    text = _text(path)
    rows = [] if text.lstrip().startswith("{") else _rows(text)
    if not rows or "File" not in rows[0]:
        return None
    if any(not row["File"] for row in rows):
        raise ScoreError(f"{path} has a row without a File")
    return [
        Listed(path.parent / row["File"], {name: value for name, value in row.items() if name != "File"})
        for row in rows
    ]


def _from_json(text: str, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ScoreError(f"{path} is not JSON ({error}); write it again") from None
    if isinstance(document.get("windows"), dict):
        return dict(document)
    if isinstance(document.get("counts_metrics"), dict):
        return _from_chrombpnet(document)
    raise ScoreError(f"{path} has neither windows (scores.json) nor counts_metrics (chrombpnet); name another file")


def _from_chrombpnet(document: Mapping[str, Any]) -> dict[str, Any]:
    windows: dict[str, dict[str, float | None]] = {}
    for part in ("counts_metrics", "profile_metrics"):
        for name, metrics in document.get(part, {}).items():
            if name in _CHROMBPNET_WINDOWS:
                windows.setdefault(_CHROMBPNET_WINDOWS[name], {}).update(_named(metrics, _CHROMBPNET_NAMES))
    return _scores(windows, _CHROMBPNET_NAMES, _CHROMBPNET)


def _scores(
    windows: dict[str, dict[str, float | None]], names: Mapping[str, tuple[str, str]], source: str
) -> dict[str, Any]:
    found = {metric for metrics in windows.values() for metric in metrics}
    definitions = {metric: f"{text} ({source}: {theirs})." for theirs, (metric, text) in names.items()}
    return {"windows": windows, "definitions": {name: text for name, text in definitions.items() if name in found}}


def _named(values: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> dict[str, float | None]:
    return {metric: _number(values[theirs]) for theirs, (metric, _) in names.items() if theirs in values}


def _number(value: Any) -> float | None:
    """A finite number; None for kerasAC's "None", NaN and what is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _rows(text: str) -> list[dict[str, str]]:
    return list(_clean(csv.DictReader(text.splitlines(), delimiter="\t")))


def _clean(rows: Iterator[dict[str, Any]] | csv.DictReader[str]) -> Iterator[dict[str, str]]:
    for row in rows:
        yield {str(name).strip(): str(value or "").strip() for name, value in row.items() if name is not None}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScoreError(
            f"cannot read {path} ({error.__class__.__name__}); name a run folder or a scores file"
        ) from None
