"""Hold how a model's predictions are calibrated, task by task, in a JSON file beside the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from kerasac import __version__
from kerasac.cache import file_digest, write_whole
from kerasac.errors import ModelError, ScoreError

CALIBRATION = "calibration.json"
MODEL = "model.keras"
FORMAT_VERSION = 1

Floats = npt.NDArray[np.float64]
Kind = Literal["counts", "classification", "regression"]

# The least and greatest float32 inside (0, 1): a probability that was rounded to 0 or 1 has no logit.
_LEAST, _GREATEST = np.finfo(np.float32).tiny, 1 - 2.0**-24

DEFINITIONS: Mapping[str, str] = {
    "isotonic": "The never falling function of the prediction with the least squared error on the windows it was "
    "fitted on: straight between the knots (x, y), and y of the outermost knot beyond them.",
    "platt": "1 / (1 + exp(-(a logit(p) + b))) of the predicted probability p: a logistic regression of the label on "
    "the prediction's logit, with an L2 penalty of a²/2 beside the summed log loss, as in abstention and kerasAC.",
}


@dataclass(frozen=True)
class Isotonic:
    """A never falling function: straight between knots, constant beyond the outermost ones."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, values: Floats) -> Floats:
        """Map values of any shape."""
        return np.interp(values, self.x, self.y)


@dataclass(frozen=True)
class Platt:
    """A line through the logit of a probability."""

    a: float
    b: float

    def __call__(self, values: Floats) -> Floats:
        """Map probabilities of any shape to probabilities."""
        mapped: Floats = expit(self.a * logits(values) + self.b)
        return mapped


@dataclass(frozen=True)
class Calibration:
    """One function a task, and what they were fitted on.

    ``kind`` says what is mapped: log counts of windows (``values`` names their space), probabilities of a
    classification, or values of a regression of bins.
    """

    kind: Kind
    functions: Mapping[str, Isotonic | Platt]
    """By task, in the order of the model's output."""
    n_labelled: Mapping[str, int]
    """By task: the windows with a label, which it was fitted on."""
    n_windows: int
    chroms: tuple[str, ...]
    """The validation chromosomes, where those windows lie."""
    model: str
    """Digest of the model's file."""
    values: str = ""
    judged: Mapping[str, Any] = field(default_factory=dict)
    """What it does to test windows: see :meth:`kerasac.steps.reliability.Judgement.to_dict`."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of the model's output."""
        return tuple(self.functions)

    @property
    def method(self) -> str:
        """``platt`` of a classification, else ``isotonic``."""
        return "platt" if self.kind == "classification" else "isotonic"

    def apply(self, predicted: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Calibrate predictions, shape (N, T), in the space that the model predicts in.

        Log counts give log counts, probabilities probabilities, values values. Beyond the range that isotonic
        regression was fitted on, its outermost value is returned, as by scikit-learn's ``out_of_bounds="clip"``.

        Raises
        ------
        ScoreError
            When there are not T columns.
        """
        if predicted.ndim != 2 or predicted.shape[1] != len(self.functions):
            raise ScoreError(
                f"predictions have shape {predicted.shape}; this calibration is of {len(self.functions)} tasks "
                f"({', '.join(self.tasks)}), so (windows, {len(self.functions)})"
            )
        columns = zip(self.functions.values(), predicted.T.astype(np.float64), strict=True)
        mapped = [function(column) for function, column in columns]
        return np.stack(mapped, axis=1).astype(np.float32)


def logits(probabilities: npt.NDArray[Any]) -> Floats:
    """Return log(p / (1 - p)), float64; a p that float32 rounded to 0 or 1 counts as the nearest it can hold."""
    found: Floats = logit(np.clip(probabilities.astype(np.float64), _LEAST, _GREATEST))
    return found


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON; numbers are read again as they were."""
    document = {
        "format_version": FORMAT_VERSION,
        "kerasac_version": __version__,
        "kind": calibration.kind,
        "method": calibration.method,
        "values": calibration.values,
        "model": calibration.model,
        "fitted_on": {"split": "valid", "chroms": calibration.chroms, "n_windows": calibration.n_windows},
        "tasks": {
            task: {"n_labelled": calibration.n_labelled[task], **vars(function)}
            for task, function in calibration.functions.items()
        },
        "judged": calibration.judged,
        "definitions": {calibration.method: DEFINITIONS[calibration.method]},
    }
    write_whole(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_calibration(path: Path, model: Path | None = None) -> Calibration:
    """Read the calibration of a model: ``model``, or the ``model.keras`` beside it.

    Raises
    ------
    ModelError
        When the file is missing, damaged, of a newer format, or of another model.
    """
    document = _read(path)
    model = model or path.with_name(MODEL)
    if not model.is_file():
        raise ModelError(f"{model} does not exist, so {path} cannot be held against it; name the model it belongs to")
    if file_digest(model) != document["model"]:
        raise ModelError(
            f"{path} was fitted on another model than {model} is now; make it again with "
            "'kerasac-ray calibrate --overwrite'"
        )
    make = Platt if document["kind"] == "classification" else _isotonic
    fitted = document["fitted_on"]
    return Calibration(
        kind=document["kind"],
        functions={task: make(**_parameters(facts)) for task, facts in document["tasks"].items()},
        n_labelled={task: facts["n_labelled"] for task, facts in document["tasks"].items()},
        n_windows=fitted["n_windows"],
        chroms=tuple(fitted["chroms"]),
        model=document["model"],
        values=document["values"],
        judged=document["judged"],
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelError(f"{path} does not exist; make it with 'kerasac-ray calibrate'")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = int(document["format_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is no calibration ({error}); make it again with 'kerasac-ray calibrate'") from None
    if version > FORMAT_VERSION:
        raise ModelError(
            f"{path} is of format {version}, this is kerasac {__version__} that reads {FORMAT_VERSION}; update it"
        )
    return dict(document)


def _parameters(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "n_labelled"}


def _isotonic(x: list[float], y: list[float]) -> Isotonic:
    return Isotonic(tuple(x), tuple(y))
