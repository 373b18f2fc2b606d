"""Say in plain words what was done in a run, and how well it went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasac.steps.page import number, plural
from kerasac.steps.report.tables import CEILING, interval_text
from kerasac.steps.report.units import UnitView
from kerasac.steps.summary import HeadlineRow, Summary, fold_of, seed_of


def lead(units: Sequence[UnitView], folds: Any) -> str:
    """Say what was done, in a sentence or three."""
    if not units:
        return "Nothing has been trained in this folder yet."
    n_folds, n_seeds = (len({part(unit.name) for unit in units}) for part in (fold_of, seed_of))
    done = [unit for unit in units if unit.finished]
    text = (
        f"Cross-validation of {plural(n_folds, 'fold')} × {plural(n_seeds, 'seed')}: "
        f"{len(done)} of {plural(len(units), 'model')} trained and scored."
    )
    if done and is_disjoint(folds):
        text += " Each is scored on whole chromosomes that it saw neither in training nor in validation."
    peaks = sum(unit.n_peaks or 0 for unit in done)
    background = sum(unit.n_background or 0 for unit in done)
    if peaks or background:
        text += f" The scores are of {peaks:,} peak and {background:,} background windows, all models together."
    if bins := sum(unit.n_bins or 0 for unit in done):
        text += f" The scores are of {bins:,} bins, all models together."
    return text


def sentences(rows: Sequence[HeadlineRow], summary: Summary) -> Iterator[str]:
    """Yield the headline numbers in plain words, each beside its floor."""
    found = {(row.windows, row.metric): row for row in rows}
    if counts := found.get(("all windows", "counts_pearson")) or found.get(("peaks", "counts_pearson")):
        text = f"Predicted and observed log counts correlate with r = {_value(counts)} over {counts.windows}"
        peaks = found.get(("peaks", "counts_pearson"))
        text += f", and r = {_value(peaks)} among peaks alone" if peaks and peaks is not counts else ""
        yield text + _ceiling_text(summary, "counts_pearson") + "."
    if auroc := found.get(("all bins", "auroc")):
        yield (
            f"Given a positive and a negative bin, the predicted probability is higher in the positive one "
            f"{100 * (auroc.mean or 0):.0f} % of the time (AUROC {number(auroc.mean)}; chance is 0.5)."
        )
    if values := found.get(("all bins", "pearson")):
        yield f"Predicted and observed values correlate with r = {_value(values)} over all bins."
    if auroc := found.get(("all windows", "auroc")):
        yield (
            f"Given a peak and a background window, the predicted count is higher in the peak "
            f"{100 * (auroc.mean or 0):.0f} % of the time (AUROC {number(auroc.mean)}; chance is 0.5)."
        )
    if jsd := found.get(("peaks", "jsd_distance_mean")):
        text = f"Predicted profiles of peaks lie {_value(jsd)} from the observed ones in Jensen–Shannon distance"
        yield text + (_floors_text(summary, jsd.mean or 0.0) or ".")


def is_disjoint(folds: Any) -> bool:
    """Say whether there is a fold table, and no fold tests on a chromosome that it trains or validates on."""
    if not isinstance(folds, Mapping) or not folds:
        return False
    return all(
        not set(split.get("test", [])) & {*split.get("train", []), *split.get("valid", [])} for split in folds.values()
    )


def _value(row: HeadlineRow) -> str:
    """Return ``0.705 (95 % CI 0.641 to 0.769)``."""
    interval = interval_text(row.values)
    return number(row.mean) + (f" (95 % CI {interval})" if interval else "")


def _ceiling_text(summary: Summary, metric: str) -> str:
    ceiling = summary.get("peaks", metric + CEILING)
    if ceiling is None or ceiling.mean is None:
        return ""
    return (
        f"; one pseudoreplicate predicts the other with {number(ceiling.mean)} among peaks, with half of the reads each"
    )


def _floors_text(summary: Summary, model: float) -> str:
    names = {
        "jsd_distance_mean_profile": "the mean profile of the training peaks",
        "jsd_distance_uniform": "a flat profile",
    }
    floors = {name: metric.mean for key, name in names.items() if (metric := summary.get("peaks", key))}
    parts = [f"{name} lies at {number(value)}" for name, value in floors.items() if value is not None]
    if not parts:
        return ""
    beaten = all(value is None or model < value for value in floors.values())
    verdict = "lower is better" if beaten else "lower is better, so this model does not beat what needs no model"
    ceiling = summary.get("peaks", "jsd_distance_mean" + CEILING)
    if ceiling is not None and ceiling.mean is not None:
        parts.append(f"a pseudoreplicate at {number(ceiling.mean)}")
    return f"; {', '.join(parts)} ({verdict})."
