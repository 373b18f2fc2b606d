"""Gather what a trained model is and how to use it, for a model card of Markdown and JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from kerasac.cache import write_whole
from kerasac.config import Experiment, OutputSpec, TrackSpec, make_experiment
from kerasac.errors import RunError
from kerasac.models.contract import Port, contract_of
from kerasac.models.loss_names import label_loss
from kerasac.steps.card_text import card_text

CARD_VERSION = 1


def write_card(
    unit_folder: Path,
    path: Path,
    *,
    one_hot: bool = False,
    corrected: bool = False,
    members: Sequence[str] = (),
) -> Path:
    """Write the card of a unit's model to ``path`` (``.md``) and, with the same facts, beside it as ``.json``.

    Everything is read from the folders of the unit and its run; Keras is not loaded. ``one_hot``: the model at hand
    takes one-hot rows rather than tokens. ``corrected``: it is the one without the enzyme's bias. ``members``: it is
    the average of these units' models, of which the folder's is the first.

    Raises
    ------
    RunError
        When the folder is none of a unit, or its run's files are missing.
    """
    facts = card_facts(unit_folder, one_hot=one_hot, corrected=corrected)
    if members:
        facts = _of_ensemble(facts, members)
    write_whole(path.with_suffix(".json"), json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    write_whole(path, card_text(facts))
    return path


def card_facts(unit_folder: Path, *, one_hot: bool = False, corrected: bool = False) -> dict[str, Any]:
    """Return what the card says, as JSON-able values."""
    unit_folder = unit_folder.resolve()
    run = unit_folder.parent.parent
    marker, origin = _read(unit_folder / "unit.json"), _read(run / "provenance.json")
    experiment = run_experiment(run)
    contract = contract_of(experiment)
    fold, _, seed = str(marker["name"]).partition("/")
    return {
        "card_version": CARD_VERSION,
        "name": experiment.name,
        "unit": marker["name"],
        "model": {
            "architecture": experiment.model.architecture,
            "settings": experiment.model.parameters,
            # The unit counts those of the whole, the bias model included.
            "n_weights": None if corrected else marker.get("model_parameters"),
            "bias": None if experiment.bias is None else ("taken out" if corrected else "part of the model"),
        },
        "inputs": [_input(spec, port, one_hot) for spec, port in zip(experiment.inputs, contract.inputs, strict=True)],
        "outputs": [
            _output(experiment, spec, port) for spec, port in zip(experiment.outputs, contract.outputs, strict=True)
        ],
        "data": _data(experiment, marker),
        "folds": {"fold": fold.removeprefix("fold-"), "seed": seed.removeprefix("seed-"), **marker["split"]},
        "training": {
            key: marker[key] for key in ("epochs", "best_epoch", "best_loss", "loss_weights") if key in marker
        },
        "scores": _scores(unit_folder, corrected),
        "provenance": {key: origin.get(key) for key in ("command", "git_commit", "fingerprint", "inputs")},
        "versions": marker.get("versions") or origin.get("versions", {}),
        "use": _use(experiment),
        "limits": list(_limits(experiment, corrected)),
    }


def _of_ensemble(facts: dict[str, Any], members: Sequence[str]) -> dict[str, Any]:
    """Leave out what is true of one member alone."""
    n_weights = facts["model"]["n_weights"]
    limits = [
        "Its members were trained on different chromosomes, all of them together on every one: there is no chromosome "
        "to score it on. Scores of its members, each on what it never saw, are in the run's summary.json.",
        *facts["limits"],
    ]
    return facts | {
        "unit": f"ensemble of {len(members)} models",
        "members": list(members),
        "model": facts["model"] | {"n_weights": n_weights and n_weights * len(members)},
        "folds": None,
        "training": {},
        "scores": None,
        "limits": limits,
    }


def run_experiment(run: Path) -> Experiment:
    """Return the experiment that a run's folder keeps, with every default spelled out.

    Raises
    ------
    RunError
        When there is none.
    """
    path = run / "experiment.yaml"
    if not path.is_file():
        raise RunError(f"{path} does not exist; {run} is not the folder of a run")
    return make_experiment(yaml.safe_load(path.read_text(encoding="utf-8")), base=run, origin=str(path))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise RunError(f"{path} does not exist; a card is made of a unit's folder, <run>/fold-0/seed-1234")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _input(spec: TrackSpec, port: Port, one_hot: bool) -> dict[str, Any]:
    shape, dtype, meaning = port.shape, "float32", ""
    if port.role != "sequence":
        meaning = _made(spec, port)
    elif one_hot:
        shape, meaning = (port.width_bp, 4), "one-hot rows, channels A C G T; N is a row of zeros"
    else:
        dtype, meaning = "uint8", "tokens: A 0, C 1, G 2, T 3, N 4"
    facts = {"name": port.name, "shape": list(shape), "dtype": dtype, "flank": spec.flank or None, "meaning": meaning}
    return {**facts, "tracks": list(port.tasks), **_transform(spec, port)}


def _output(experiment: Experiment, spec: OutputSpec, port: Port) -> dict[str, Any]:
    facts = {"name": port.name, "shape": list(port.shape), "dtype": "float32", "flank": spec.flank or None}
    if port.role == "profile":
        meaning = "logits; their softmax over the positions, for each task by itself, is the profile's shape"
        back = "softmax(logits, axis=1) times the task's counts are the counts expected at each base"
    elif port.role == "counts":
        meaning, back = _made(spec, port), f"{_to_counts(spec)} {_COUNTED[spec.aggregate]}"
    elif port.role == "classification":
        meaning, back = "probability that the bin is positive", None
    elif label_loss(experiment.loss, port) == "poisson":
        meaning, back = "natural logarithm of the expected count of the bin", "exp(y)"
    else:
        meaning, back = "the bin's label, in the unit of the label file", None
    return {**facts, "meaning": meaning, "tasks": list(port.tasks), **_transform(spec, port), "to_counts": back}


def _transform(spec: TrackSpec, port: Port) -> dict[str, Any]:
    """Return the transform, and the pseudocount where it has one."""
    if port.role not in ("counts", "profile"):
        return {}
    pseudocount = spec.pseudocount if spec.transform in ("log", "log10", "counts_to_logit") else None
    return {"aggregate": spec.aggregate, "transform": spec.transform, "pseudocount": pseudocount}


def _made(spec: TrackSpec, port: Port) -> str:
    """Say how a value is made of counts, as a formula."""
    if port.role == "values":
        return "values of the bin from a label file"
    value = {"none": "x", "sum": "Σx", "average": "mean x", "max": "max x", "binary_max": "(max x > 0)"}[spec.aggregate]
    forms = {
        "none": value,
        "log": f"ln({value} + {spec.pseudocount:g})",
        "log10": f"log10({value} + {spec.pseudocount:g})",
        "log1p": f"ln({value} + 1)",
        "asinh": f"asinh({value})",
        "counts_to_logit": f"logit of the share of each position, {spec.pseudocount:g} added to every count",
    }
    return f"{forms[spec.transform]}, x = counts at each base of the window"


def _to_counts(spec: TrackSpec) -> str:
    forms = {
        "log": f"exp(y) − {spec.pseudocount:g}",
        "log10": f"10^y − {spec.pseudocount:g}",
        "log1p": "exp(y) − 1",
        "asinh": "sinh(y)",
    }
    return forms.get(spec.transform, "y")


# What an aggregated value is, once its transform is undone.
_COUNTED = {
    "sum": "is the count of the window",
    "average": "is the mean count at a base",
    "max": "is the greatest count at a base",
    "binary_max": "is 1 where any base has counts",
}


def _data(experiment: Experiment, marker: dict[str, Any]) -> dict[str, Any]:
    document = experiment.as_dict()
    return {
        **{key: _given(document[key]) for key in ("store", "labels", "datasets", "genome", "sampling")},
        "windows": marker.get("windows"),
    }


def _given(value: Any) -> Any:
    """Leave out the keys that say nothing."""
    if isinstance(value, dict):
        return {key: _given(inner) for key, inner in value.items() if inner is not None}
    return value


def _scores(unit_folder: Path, corrected: bool) -> dict[str, Any] | None:
    path = unit_folder / "scores.json"
    # Only what is observed, the bias included, can be compared with data.
    if corrected or not path.is_file():
        return None
    scores = _read(path)
    return {key: scores[key] for key in ("windows", "tasks", "definitions", "n") if key in scores}


def _use(experiment: Experiment) -> str:
    binned = experiment.labels is not None
    what = "labels of bins" if binned else "profiles and counts of reads"
    return (
        f"Research: to predict {what} from sequence in the genome and cell type that it was trained on, to score "
        "variants, and to ask which bases a prediction rests on."
    )


def _limits(experiment: Experiment, corrected: bool) -> Iterator[str]:
    yield (
        "Only predictions on the test chromosomes are of sequence that training and the choice of the epoch never saw."
    )
    yield "Other cell types, assays, genomes and sequencing depths are outside of what it was trained and scored on."
    yield "Windows lay on their chromosome whole; what is padded with N at an end was not trained on."
    if not experiment.sampling.reverse_complement:
        yield "It was trained on one strand only; the reverse complement of a window may be predicted otherwise."
    if corrected:
        yield "What it predicts, signal without the enzyme's bias, is not observed anywhere, so it has no scores."
    elif experiment.labels is None and experiment.bias is None:
        yield "The enzyme's sequence preference (Tn5, DNase I), if there is one, is part of the predicted profiles."
    yield "It was not validated for decisions about patients."
