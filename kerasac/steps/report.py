"""Write one self-contained HTML page about a run: what was done, how well it went, and what is missing."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml
from PIL import Image

from kerasac.cache import whole_file
from kerasac.errors import RunError
from kerasac.steps.plots import DPI, across_folds
from kerasac.steps.summary import (
    HeadlineRow,
    MetricSummary,
    Summary,
    headline,
    read_units,
    summarize_units,
    unit_order,
)

MAX_FIGURE_BYTES = 4_000_000  # of all folds together; figures beyond it are named, not shown
PNG_COLORS = 96
PAGE_DPI = 105  # a figure's inch on the page: text in figures is then as large as text around them

# Figures of a unit by what was scored; each name is a file in its plots/.
_FIGURES = {
    "windows": {
        "counts": "Predicted against observed counts",
        "jsd": "Distance of predicted profiles to observed ones",
        "profiles": "Example profiles",
        "training": "Training curves",
    },
    "classification": {"classes": "Positive bins found", "training": "Training curves"},
    "regression": {"values": "Predicted against observed values", "training": "Training curves"},
}
# Columns of the table of folds: window set, metric, heading.
_COLUMNS = (
    ("all", "counts_pearson", "count\u00a0r, all"),
    ("peaks", "counts_pearson", "count\u00a0r, peaks"),
    ("peaks", "counts_spearman", "count\u00a0ρ, peaks"),
    ("all", "auroc", "AUROC"),
    ("all", "auprc", "AUPRC"),
    ("peaks", "jsd_distance_mean", "JSD, peaks"),
    ("peaks", "jsd_distance_mean_profile", "JSD of mean profile"),
    ("peaks", "jsd_distance_uniform", "JSD of uniform"),
    ("peaks", "jsd_norm_median", "norm. JSD, peaks"),
    ("peaks", "mnll_per_count", "NLL a count, peaks"),
    ("all", "recall_at_fdr_50", "recall at 50\u00a0% FDR"),
    ("all", "recall_at_fdr_10", "recall at 10\u00a0% FDR"),
    ("all", "balanced_accuracy", "balanced accuracy"),
    ("all", "pearson", "r"),
    ("all", "spearman", "ρ"),
    ("all", "pearson_nonzero", "r, bins above\u00a00"),
    ("all", "spearman_nonzero", "ρ, bins above\u00a00"),
)
# Of them, those that the table of tasks has room for.
_TASK_METRICS = ("counts_pearson", "auroc", "jsd_distance_mean", "jsd_distance_mean_profile", "jsd_norm_median")


@dataclass
class _Unit:
    """A fold and seed as the report shows it."""

    name: str
    status: str
    cells: list[float | None] = field(default_factory=list)
    n_peaks: int | None = None
    n_background: int | None = None
    n_bins: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    figures: list[tuple[str, int, str]] = field(default_factory=list)
    """Caption, width on the page in pixels, base64 PNG."""
    notes: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return self.status == "finished"


def write_report(run_dir: Path) -> Path:
    """Write report.html from what the run folder holds now, finished or not; returns its path.

    The page needs no other file, no network and no script.
    """
    if not run_dir.is_dir():
        raise RunError(f"{run_dir} is no run folder; give the --out of a finished or running cross-validation")
    scores = read_units(run_dir)
    summary = summarize_units(scores)
    experiment = _read_text(run_dir / "experiment.yaml")
    settings = _parse_yaml(experiment)
    folds = _read_json(run_dir / "folds.json")
    units = _units(run_dir, scores, expected=_expected_units(folds, settings))
    rows = headline(summary)
    page = _template().render(
        name=str(settings.get("name") or run_dir.resolve().name),
        lead=_lead(units, folds),
        sentences=list(_sentences(rows, summary)),
        headline=rows,
        units=units,
        missing=[unit for unit in units if not unit.finished],
        columns=[(heading, summary.get(windows, metric)) for windows, metric, heading in _columns(summary)],
        across=_svg(rows) if rows else None,
        summary=summary,
        bias=_bias(run_dir, units),
        binned=summary.is_binned,
        tasks=_tasks(scores),
        task_columns=[entry for entry in _columns(summary) if summary.is_binned or entry[1] in _TASK_METRICS],
        experiment=experiment,
        folds=folds,
        provenance=_read_json(run_dir / "provenance.json"),
    )
    path = run_dir / "report.html"
    with whole_file(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["short"] = lambda value: f"{round(value, 3):g}"
    environment.filters["spread"] = _spread
    environment.tests["branch"] = lambda value: isinstance(value, Mapping)
    environment.tests["listing"] = lambda value: isinstance(value, list | tuple)
    return environment.get_template("report.html.j2")


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _spread(metric: MetricSummary | None) -> str:
    """Mean ± sd of a metric over units."""
    if metric is None or metric.mean is None:
        return "–"
    return _number(metric.mean) + (f" ± {_number(metric.sd)}" if metric.sd is not None else "")


def _lead(units: Sequence[_Unit], folds: Any) -> str:
    """What was done, in a sentence or three."""
    if not units:
        return "Nothing has been trained in this folder yet."
    n_folds = len({unit.name.split("/")[0] for unit in units})
    n_seeds = len({unit.name.split("/")[-1] for unit in units})
    done = [unit for unit in units if unit.finished]
    text = (
        f"Cross-validation of {_plural(n_folds, 'fold')} × {_plural(n_seeds, 'seed')}: "
        f"{len(done)} of {_plural(len(units), 'model')} trained and scored."
    )
    if done and _is_disjoint(folds):
        text += " Each is scored on whole chromosomes that it saw neither in training nor in validation."
    peaks = sum(unit.n_peaks or 0 for unit in done)
    background = sum(unit.n_background or 0 for unit in done)
    if peaks or background:
        text += f" The scores are of {peaks:,} peak and {background:,} background windows, all models together."
    if bins := sum(unit.n_bins or 0 for unit in done):
        text += f" The scores are of {bins:,} bins, all models together."
    return text


def _is_disjoint(folds: Any) -> bool:
    """Whether there is a fold table, and no fold tests on a chromosome that it trains or validates on."""
    if not isinstance(folds, Mapping) or not folds:
        return False
    return all(
        not set(split.get("test", [])) & {*split.get("train", []), *split.get("valid", [])} for split in folds.values()
    )


def _sentences(rows: Sequence[HeadlineRow], summary: Summary) -> Iterator[str]:
    """The headline numbers in plain words, each beside its floor."""
    found = {(row.windows, row.metric): row for row in rows}
    if counts := found.get(("all windows", "counts_pearson")) or found.get(("peaks", "counts_pearson")):
        text = f"Predicted and observed log counts correlate with r = {counts.text()} over {counts.windows}"
        peaks = found.get(("peaks", "counts_pearson"))
        yield text + (f", and {peaks.text()} among peaks alone." if peaks and peaks is not counts else ".")
    if auroc := found.get(("all bins", "auroc")):
        yield (
            f"Given a positive and a negative bin, the predicted probability is higher in the positive one "
            f"{100 * (auroc.mean or 0):.0f} % of the time (AUROC {auroc.text()}; chance is 0.5)."
        )
    if values := found.get(("all bins", "pearson")):
        yield f"Predicted and observed values correlate with r = {values.text()} over all bins."
    if auroc := found.get(("all windows", "auroc")):
        yield (
            f"Given a peak and a background window, the predicted count is higher in the peak "
            f"{100 * (auroc.mean or 0):.0f} % of the time (AUROC {auroc.text()}; chance is 0.5)."
        )
    if jsd := found.get(("peaks", "jsd_distance_mean")):
        yield f"Predicted profiles of peaks lie {jsd.text()} from the observed ones in Jensen–Shannon distance" + (
            _floors_text(summary, jsd.mean or 0.0) or "."
        )


def _floors_text(summary: Summary, model: float) -> str:
    names = {
        "jsd_distance_mean_profile": "the mean profile of the training peaks",
        "jsd_distance_uniform": "a flat profile",
    }
    floors = {name: metric.mean for key, name in names.items() if (metric := summary.get("peaks", key))}
    parts = [f"{name} lies at {_number(value)}" for name, value in floors.items() if value is not None]
    if not parts:
        return ""
    beaten = all(value is None or model < value for value in floors.values())
    verdict = "lower is better" if beaten else "lower is better, so this model does not beat what needs no model"
    return f"; {', '.join(parts)} ({verdict})."


def _columns(summary: Summary) -> list[tuple[str, str, str]]:
    """The columns of the table of folds that any unit has a number for."""
    return [entry for entry in _COLUMNS if (metric := summary.get(*entry[:2])) and metric.mean is not None]


def _expected_units(folds: Any, settings: Mapping[str, Any]) -> list[str]:
    """The units that folds.json and the experiment's seeds promise."""
    seeds = settings.get("seeds") or []
    names = list(folds) if isinstance(folds, Mapping) else []
    return [f"fold-{fold}/seed-{seed}" for fold in names for seed in (seeds if isinstance(seeds, list) else [seeds])]


def _units(run_dir: Path, scores: Mapping[str, Mapping[str, Any]], *, expected: Sequence[str]) -> list[_Unit]:
    """Every unit that is promised or has left a trace, with its figures while they fit the page."""
    begun = {f"{path.parent.name}/{path.name}" for path in run_dir.glob("fold-*/seed-*") if path.is_dir()}
    room = MAX_FIGURE_BYTES
    units = []
    columns = _columns(summarize_units(scores))
    for name in sorted({*expected, *begun}, key=unit_order):
        unit = _Unit(name, "finished" if name in scores else "not started")
        _add_history(unit, run_dir / name / "history.csv")
        if unit.finished:
            _add_scores(unit, scores[name], columns)
            room -= _add_figures(unit, run_dir / name / "plots", room, _FIGURES[_kind(scores[name])])
        elif name in begun:
            unit.status = f"not finished, {_plural(unit.epochs or 0, 'epoch')} trained"
        units.append(unit)
    return units


def _add_scores(unit: _Unit, scores: Mapping[str, Any], columns: Sequence[tuple[str, str, str]]) -> None:
    unit.cells = [scores["windows"].get(windows, {}).get(metric) for windows, metric, _ in columns]
    n = scores.get("n", {})
    if "peaks" in n:
        unit.n_peaks = int(n["peaks"]["n_windows"])
        unit.n_background = int(n["background"]["n_windows"])
    elif "all" in n:
        unit.n_bins = int(n["all"]["n_windows"])


def _kind(scores: Mapping[str, Any]) -> str:
    """Say what a unit's scores are of: windows of tracks, or bins."""
    if "peaks" in scores["windows"]:
        return "windows"
    return "classification" if "auroc" in scores["windows"].get("all", {}) else "regression"


def _add_history(unit: _Unit, path: Path) -> None:
    try:
        history = pd.read_csv(path)
    except (OSError, ValueError):
        unit.notes.append("history.csv is missing or empty")
        return
    unit.epochs = len(history)
    if "seconds" in history:
        unit.minutes = float(history["seconds"].sum()) / 60


def _add_figures(unit: _Unit, folder: Path, room: int, figures: Mapping[str, str]) -> int:
    """Take in the unit's figures while there is room; returns the bytes taken."""
    taken = 0
    for name, caption in figures.items():
        path = folder / f"{name}.png"
        if not path.exists():
            unit.notes.append(f"plots/{name}.png is missing")
            continue
        width, data = _small_png(path)
        if taken + len(data) > room:
            unit.notes.append(f"plots/{name}.png is in the run folder; the page has no room for it")
            continue
        unit.figures.append((caption, round(width * PAGE_DPI / DPI), data))
        taken += len(data)
    return taken


def _bias(run_dir: Path, units: Sequence[_Unit]) -> list[tuple[str, dict[str, Any]]]:
    """Verdicts on the bias models, of the units that have one."""
    found = [(unit.name, _read_json(run_dir / unit.name / "bias.json")) for unit in units]
    return [(name, verdict) for name, verdict in found if verdict]


def _small_png(path: Path) -> tuple[int, str]:
    """Width and base64 PNG of a figure with a palette: it has few colours, and this is a third of the size."""
    with Image.open(path) as image:
        palette = image.convert("RGB").quantize(PNG_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    palette.save(packed, format="PNG")
    return palette.width, base64.b64encode(packed.getvalue()).decode("ascii")


def _svg(rows: Sequence[HeadlineRow]) -> str:
    drawn = io.BytesIO()
    across_folds(rows).savefig(drawn, format="svg", metadata={"Date": None})
    return base64.b64encode(drawn.getvalue()).decode("ascii")


def _tasks(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Summary]:
    """A summary for each task, when there are several."""
    names = list(dict.fromkeys(task for one in scores.values() for task in one.get("tasks", {})))
    if len(names) < 2:
        return {}
    return {
        task: summarize_units(
            {unit: {"windows": one["tasks"][task]} for unit, one in scores.items() if task in one["tasks"]}
        )
        for task in names
    }


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _read_text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _read_json(path: Path) -> Any:
    """The file's content; None when it is missing or not whole yet."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _parse_yaml(text: str | None) -> Mapping[str, Any]:
    try:
        parsed = yaml.safe_load(text or "")
    except yaml.YAMLError:
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
