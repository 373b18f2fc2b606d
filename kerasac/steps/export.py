"""Export the model of a unit, or a model file, with a card beside it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kerasac.errors import RunError
from kerasac.models.contract import contract_of
from kerasac.models.export import ExportFormat, export_model
from kerasac.models.own_model import is_own
from kerasac.models.registry import read_parameters, register_classes
from kerasac.steps.card import run_experiment, write_card
from kerasac.steps.summary import unit_order
from kerasac.steps.unit_names import unit_name

MODEL, CORRECTED, MARKER = "model.keras", "model_corrected.keras", "unit.json"


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

    ``corrected`` takes a unit's model without the enzyme's bias. ``ensemble`` takes all units of a run's folder as one
    model, the average of theirs.

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
    name = CORRECTED if corrected else MODEL
    paths = sorted(run.glob(f"fold-*/seed-*/{name}"), key=lambda path: unit_order(unit_name(path.parent)))
    if not paths or not (run / "experiment.yaml").is_file():
        raise RunError(f"{run} is not the folder of a run with a {name}; --ensemble joins all models of one")
    _register_own(paths[0].parent)
    contract = contract_of(run_experiment(run))
    probabilities = [port.name for port in contract.outputs if port.role == "classification"]
    difference = export_model(paths, out, form, one_hot=one_hot, probabilities=probabilities, overwrite=overwrite)
    members = [unit_name(path.parent) for path in paths]
    card = write_card(paths[0].parent, _card_path(out, form), one_hot=one_hot, corrected=corrected, members=members)
    return Exported(run, out, card, difference)


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
