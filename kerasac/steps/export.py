"""Export the model of a unit, or a model file, with a card beside it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kerasac.config import Experiment
from kerasac.errors import RunError
from kerasac.models.contract import contract_of
from kerasac.models.export import ExportFormat, export_model
from kerasac.models.loss_names import label_loss
from kerasac.models.new_file import check_new
from kerasac.models.own_model import is_own
from kerasac.models.registry import read_parameters, register_classes
from kerasac.steps.card import run_experiment, write_card
from kerasac.steps.summary import unit_order
from kerasac.steps.unit_names import unit_name

MODEL, CORRECTED, MARKER = "model.keras", "model_corrected.keras", "unit.json"

logger = logging.getLogger(__name__)


class Exported(NamedTuple):
    """What was written: the model, its card (None for a file outside of a run), and how far predictions differ."""

    source: Path
    out: Path
    card: Path | None
    difference: float


def export(
    source: Path,
    out: Path,
    form: ExportFormat,
    *,
    one_hot: bool = False,
    corrected: bool = False,
    ensemble: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a unit's model, or a ``.keras`` file, as :func:`export_model` does; a unit's gets a card beside it.

    ``corrected`` takes a unit's model without the enzyme's bias. ``ensemble`` takes the finished units of a run's
    folder as one model, the average of theirs (:func:`kerasac.models.ensemble.ensemble`); a warning names the others.

    Raises
    ------
    RunError
        When the source is neither a unit's folder nor a model.
    ModelError
        When it cannot be written as asked.
    """
    if ensemble:
        return _export_ensemble(source, out, form, one_hot=one_hot, corrected=corrected, overwrite=overwrite)
    model_path = _model_of(source, corrected)
    unit = model_path.parent if (model_path.parent / MARKER).is_file() else None
    if unit is not None:
        _register_own(unit)
    difference = export_model(model_path, out, form, one_hot=one_hot, overwrite=overwrite)
    if unit is None:
        return Exported(model_path, out, None, difference)
    card = _card_path(out, form)
    corrected = model_path.name == CORRECTED
    return Exported(model_path, out, write_card(unit, card, one_hot=one_hot, corrected=corrected), difference)


def _export_ensemble(
    run: Path, out: Path, form: ExportFormat, *, one_hot: bool, corrected: bool, overwrite: bool
) -> Exported:
    check_new(out, form.ending, overwrite=overwrite)
    name = CORRECTED if corrected else MODEL
    folders = sorted(run.glob("fold-*/seed-*"), key=lambda folder: unit_order(unit_name(folder)))
    paths = [folder / name for folder in folders if _is_done(folder) and (folder / name).is_file()]
    if not paths or not (run / "experiment.yaml").is_file():
        raise RunError(
            f"{run} is not the folder of a run with a finished unit that has a {name}; --ensemble joins those of one"
        )
    experiment, members = run_experiment(run), [unit_name(path.parent) for path in paths]
    unfinished = [unit for unit in _promised(run, experiment, folders) if unit not in members]
    if unfinished:
        logger.warning("units of the run, not finished, are left out: %s", ", ".join(unfinished))
    _register_own(paths[0].parent)
    ports = contract_of(experiment).outputs
    difference = export_model(
        paths,
        out,
        form,
        one_hot=one_hot,
        probabilities=[port.name for port in ports if port.role == "classification"],
        log_rates=[port.name for port in ports if experiment.labels and label_loss(experiment.loss, port) == "poisson"],
        overwrite=overwrite,
    )
    card = write_card(paths[0].parent, _card_path(out, form), one_hot=one_hot, corrected=corrected, members=members)
    return Exported(run, out, card, difference)


def _is_done(unit: Path) -> bool:
    """Whether a unit is trained, predicted and scored; its model is there before that."""
    marker = unit / MARKER
    return marker.is_file() and json.loads(marker.read_text(encoding="utf-8")).get("state") == "done"


def _promised(run: Path, experiment: Experiment, begun: Sequence[Path]) -> list[str]:
    """Name the units that the fold table and the seeds promise, and those that were begun."""
    table = run / "folds.json"
    folds = json.loads(table.read_text(encoding="utf-8")) if table.is_file() else ()
    promised = {f"fold-{fold}/seed-{seed}" for fold in folds for seed in experiment.seeds}
    return sorted(promised | set(map(unit_name, begun)), key=unit_order)


def _card_path(out: Path, form: ExportFormat) -> Path:
    return out.with_name(f"{out.name.removesuffix(form.ending)}.card.md")


def _model_of(source: Path, corrected: bool) -> Path:
    name = CORRECTED if corrected else MODEL
    if source.is_file():
        if corrected:
            raise RunError(f"{source} is one model; --corrected goes with a unit's folder, which has {CORRECTED}")
        return source
    if (source / name).is_file():
        return source / name
    raise RunError(f"{source} {_why_not(source, name)}")


def _why_not(source: Path, name: str) -> str:
    if not source.exists():
        return "does not exist; name a unit's folder, <run>/fold-0/seed-1234, or a .keras file"
    units = [str(path.parent.relative_to(source)) for path in sorted(source.glob(f"fold-*/seed-*/{name}"))]
    if units:
        listed = ", ".join(units[:5]) + ", …" * (len(units) > 5)
        return f"is the folder of a run; add --ensemble, or name one of its units: {listed}"
    if name == CORRECTED and (source / MODEL).is_file():
        return f"has no {CORRECTED}: its experiment has no bias section; leave out --corrected"
    return f"has no {name}; name a unit's folder, <run>/fold-0/seed-1234, or a .keras file"


def _register_own(unit: Path) -> None:
    """Make Keras know the classes of a user's own architecture."""
    model = run_experiment(unit.resolve().parent.parent).model
    if is_own(model.architecture):
        register_classes(read_parameters(model.architecture, model.parameters))
