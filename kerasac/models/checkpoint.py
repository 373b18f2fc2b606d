"""Save and load models whole, and the state of a training between its epochs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras

from kerasac.errors import ModelError
from kerasac.models import bias_factorised, layers, losses

# Imported so that their classes are registered before a model is loaded.
__all__ = ["bias_factorised", "layers", "losses"]

_NAME = re.compile(r"epoch-(\d{4,})\.weights\.h5$")


def save_model(model: keras.Model, path: Path) -> None:
    """Write a ``.keras`` file beside and rename it when whole."""
    partial = path.with_name(f".partial-{path.name}")
    model.save(partial)
    partial.replace(path)


def load_model(path: Path) -> keras.Model:
    """Load a ``.keras`` file for prediction; no code in the file is run.

    Raises
    ------
    ModelError
        When the file is missing or is no model.
    """
    if not path.is_file():
        raise ModelError(f"model {path} does not exist")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, OSError, TypeError) as error:
        raise ModelError(f"cannot load {path} as a Keras model: {error}") from error


class Checkpoints:
    """The checkpoints of one training: weights and optimizer after an epoch (counted from 1).

    The last two and the best are kept. A file is renamed when whole, so an interrupted write is never read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, epoch: int) -> Path:
        """Return where the checkpoint of an epoch lies."""
        return self.folder / f"epoch-{epoch:04d}.weights.h5"

    def epochs(self) -> list[int]:
        """Return the epochs that have a checkpoint, in order."""
        matches = (_NAME.match(file.name) for file in self.folder.iterdir())
        return sorted(int(match.group(1)) for match in matches if match)

    def save(self, model: keras.Model, epoch: int) -> None:
        """Write the checkpoint of an epoch."""
        partial = self.folder / f".partial-{self.path(epoch).name}"
        model.save_weights(partial)
        partial.replace(self.path(epoch))

    def drop(self, *, newest: int, best: int) -> None:
        """Drop the checkpoints that are neither one of the last two nor the best."""
        for old in self.epochs():
            if old not in (best, newest, newest - 1):
                self.path(old).unlink()

    def load(self, model: keras.Model, epoch: int) -> None:
        """Restore weights and optimizer as they were after an epoch."""
        # An optimizer without variables is skipped silently when weights are loaded.
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self.path(epoch))


class _PyFuncModel:
    """A saved model behind MLflow's generic interface: dictionaries of arrays in, dictionaries out."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, inputs: dict[str, Any], params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Predict; ``inputs`` holds one array an input of the model, first axis = windows."""
        del params
        return dict(self._model.predict(inputs, verbose=0))


def _load_pyfunc(path: str) -> _PyFuncModel:
    """Load a model that MLflow logged (its hook, by name)."""
    return _PyFuncModel(load_model(Path(path)))
