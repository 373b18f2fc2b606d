"""Put together what the units of a run have predicted of their test chromosomes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kerasac.cache import remove
from kerasac.errors import RunError
from kerasac.genome.assembly import Assembly
from kerasac.runs.trained import Trained
from kerasac.steps.binned_predictions import write_binned_predictions
from kerasac.steps.calibration import Calibration, read_calibration
from kerasac.steps.merge import merged_blocks
from kerasac.steps.predicted_bins import merged_bins
from kerasac.steps.prediction_shards import PredictionFacts, write_blocks
from kerasac.steps.predictions import open_predictions
from kerasac.steps.write_layouts import LayoutName, write_layout

HELD_OUT = "each chromosome by the folds that test on it"
Files = Mapping[tuple[int, ...], list[Path]]
Calibrations = Mapping[Path, Calibration | None]


def merge_predictions(trained: Trained, out: Path, layout: LayoutName, *, calibrated: bool) -> int:
    """Write the test predictions of all folds, seeds averaged, to one file (of bins, prefix); returns their number.

    Raises
    ------
    ConfigError
        When a model has predicted nothing yet.
    RunError
        When two folds test on a chromosome.
    """
    _check_tested_once(trained)
    files = trained.prediction_files()
    calibrations: Calibrations = _calibrations(trained) if calibrated else dict.fromkeys(trained.models)
    if trained.is_binned:
        return _merge_bins(trained, out, files, calibrations)
    return _merge_profiles(trained, out, layout, files, calibrations)


def prediction_facts(trained: Trained, assembly: Assembly, *, how: str, calibrated: bool) -> PredictionFacts:
    """Return what all predictions of these models share."""
    attrs = {"models": [str(path) for path in trained.models], "predicted_by": how, "calibrated": calibrated}
    sizes = assembly.as_dict()
    if trained.is_binned:
        return PredictionFacts(trained.tasks, "none", 0.0, sizes, attrs)
    spec = trained.counts_spec
    return PredictionFacts(trained.tasks, spec.transform, spec.pseudocount, sizes, attrs)


def _merge_bins(trained: Trained, out: Path, files: Files, calibrations: Calibrations) -> int:
    by_prefix = {
        path: calibrations[trained.models[i]]
        for places, paths in files.items()
        for i, path in zip(places, paths, strict=True)
    }
    merged = merged_bins(list(files.values()), by_prefix)
    write_binned_predictions(out, merged)
    return len(merged.labels)


def _merge_profiles(trained: Trained, out: Path, layout: LayoutName, files: Files, calibrations: Calibrations) -> int:
    n_windows, floors = 0, []
    for paths in files.values():
        with open_predictions(paths[0]) as file:
            n_windows += file.n_windows
            floors.append(file.mean_profile)
    floor = floors[0] if len(floors) == 1 else None  # each fold has its own training peaks
    blocks = (
        block
        for places, paths in files.items()
        for block in merged_blocks(paths, [calibrations[trained.models[i]] for i in places])
    )
    facts = prediction_facts(trained, trained.assembly(), how=HELD_OUT, calibrated=any(calibrations.values()))
    if layout is LayoutName.KERASAC:
        write_blocks(out, blocks, n_windows, facts, mean_profile=floor)
        return n_windows
    whole = out.with_name(f".{out.name}.whole.h5")
    try:
        write_blocks(whole, blocks, n_windows, facts, mean_profile=floor)
        write_layout(whole, out, layout, {})
    finally:
        remove(whole)
    return n_windows


def _check_tested_once(trained: Trained) -> None:
    """Folds that test on one chromosome may have chosen other windows on it, so their files have no average."""
    tested: dict[str, int] = {}
    for fold in (unit.fold for unit in trained.units):
        for chrom in fold.test:
            if tested.setdefault(chrom, fold.index) != fold.index:
                raise RunError(
                    f"folds {tested[chrom]} and {fold.index} both test on {chrom}, whose windows would be there twice; "
                    "say where to predict (--regions, --chroms or --genome averages the models), or name units of one "
                    "fold"
                )


def _calibrations(trained: Trained) -> dict[Path, Calibration | None]:
    return {path: read_calibration(calibration, path) for path, calibration in trained.calibrations.items()}
