"""Write a run's report from what its folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasac.errors import RunError
from kerasac.steps.page import svg_data, write_page
from kerasac.steps.plots import fold_dots
from kerasac.steps.report.calibrated import calibrated
from kerasac.steps.report.facts import data_facts, run_facts, software_facts
from kerasac.steps.report.files import parse_yaml, read_json, read_text
from kerasac.steps.report.left_out import left_out
from kerasac.steps.report.redraw import Say, draw_missing, silent
from kerasac.steps.report.tables import INTERVAL, columns, interval_text, peak_share, score_table, tasks_of
from kerasac.steps.report.units import UnitView, first_seeds, read_views
from kerasac.steps.report.words import is_disjoint, lead, sentences
from kerasac.steps.summary import STATISTICS, headline, read_units, summarize, summarize_units


def write_report(run_dir: Path) -> Path:
    """Write report.html from what the run folder holds now, finished or not; returns its path.

    The page needs no other file, no network and no script.
    """
    if not run_dir.is_dir():
        raise RunError(f"{run_dir} is no run folder; give the --out of a finished or running cross-validation")
    scores = read_units(run_dir)
    summary = summarize_units(scores)
    experiment = read_text(run_dir / "experiment.yaml")
    settings = parse_yaml(experiment)
    folds, provenance = read_json(run_dir / "folds.json"), read_json(run_dir / "provenance.json")
    units = read_views(run_dir, scores, expected=_expected_units(folds, settings))
    rows = headline(summary)
    path = run_dir / "report.html"
    write_page(
        path,
        "report.html.j2",
        name=str(settings.get("name") or run_dir.resolve().name),
        lead=lead(units, folds),
        sentences=list(sentences(rows, summary)),
        cards=[(row, interval_text(row.values), svg_data(fold_dots(row))) for row in rows],
        table=score_table(summary, peak_share(scores)),
        unseen=is_disjoint(folds),
        units=units,
        first_seeds=first_seeds(units),
        missing=[unit for unit in units if not unit.finished],
        columns=columns(summary),
        summary=summary,
        bias=_bias(run_dir, units),
        calibration=calibrated(run_dir, units),
        tasks=tasks_of(scores),
        left_out=left_out(units, scores, provenance, summary),
        facts={"Model and training": run_facts(settings, units), "Software": software_facts(provenance, units)},
        data=data_facts(provenance),
        experiment=experiment,
        folds=folds,
        interval=interval_text,
        interval_note=INTERVAL,
        statistics=STATISTICS,
    )
    return path


def renew_report(run_dir: Path, say: Say = silent) -> Path:
    """Write summary and report anew, drawing figures that finished units lack (some seconds a unit), and ``say`` so."""
    draw_missing(run_dir, say)
    if read_units(run_dir):
        summarize(run_dir)
    return write_report(run_dir)


def _expected_units(folds: Any, settings: Mapping[str, Any]) -> list[str]:
    """The units that folds.json and the experiment's seeds promise."""
    seeds = settings.get("seeds") or []
    names = list(folds) if isinstance(folds, Mapping) else []
    return [f"fold-{fold}/seed-{seed}" for fold in names for seed in (seeds if isinstance(seeds, list) else [seeds])]


def _bias(run_dir: Path, units: list[UnitView]) -> list[tuple[str, dict[str, Any]]]:
    """Verdicts on the bias models, of the units that have one."""
    found = [(unit.name, read_json(run_dir / unit.name / "bias.json")) for unit in units]
    return [(name, verdict) for name, verdict in found if verdict]
