"""Write trained models in the forms that other programs open; Keras is loaded once the paths are checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasac.cache import remove
from kerasac.errors import ModelError
from kerasac.models.new_file import check_new
from kerasac.models.quiet_start import load_keras_quietly

if TYPE_CHECKING:
    import keras


class ExportFormat(StrEnum):
    """What a model is written as."""

    KERAS = "keras"
    SAVEDMODEL = "savedmodel"
    WEIGHTS = "weights"

    @property
    def ending(self) -> str:
        """How the name of the file ends; a SavedModel is a folder of any name."""
        return {"keras": ".keras", "savedmodel": "", "weights": ".weights.h5"}[self.value]


def export_model(
    model_path: Path | Sequence[Path],
    out: Path,
    form: ExportFormat,
    *,
    one_hot: bool = False,
    probabilities: Collection[str] = (),
    log_rates: Collection[str] = (),
    overwrite: bool = False,
) -> float:
    """Write a trained model as ``.keras`` of stock Keras, as a SavedModel folder, or its weights alone.

    Several models are written as one, their average: see :func:`kerasac.models.ensemble.ensemble`. With ``one_hot``
    the sequence goes in as one-hot rows (n, L, 4), float32, rather than as tokens (n, L), uint8. A SavedModel's
    function ``serve`` takes and gives what the model does. What is written is loaded again, and renamed to ``out`` only
    if it predicts as the model does.

    Returns
    -------
    The greatest difference of predictions on random inputs.

    Raises
    ------
    ModelError
        When ``out`` is there or has another ending, when stock Keras cannot load the model, or ``one_hot`` has no
        tokens to take the place of.
    """
    check_new(out, form.ending, overwrite=overwrite)
    if one_hot and form == ExportFormat.WEIGHTS:
        raise ModelError("weights are the same whatever goes in; leave out --one-hot")
    load_keras_quietly()
    from kerasac.models.checkpoint import load_model
    from kerasac.models.plain import plain_model, save_plain

    paths = [model_path] if isinstance(model_path, Path) else list(model_path)
    models = [load_model(path) for path in paths]
    if len(models) == 1:
        model = models[0]
    else:
        from kerasac.models.ensemble import ensemble

        model = ensemble(models, probabilities=probabilities, log_rates=log_rates)
    out.parent.mkdir(parents=True, exist_ok=True)
    if form == ExportFormat.WEIGHTS:
        return _save_weights(model, out)
    if form == ExportFormat.SAVEDMODEL:
        return _save_savedmodel(plain_model(model, one_hot=True) if one_hot else model, out)
    return save_plain(plain_model(model, one_hot=one_hot), out)


def _save_weights(model: keras.Model, out: Path) -> float:
    import keras

    from kerasac.models.plain import checked_difference, predicted, random_inputs

    partial = out.with_name(f".partial-{out.name}")
    try:
        model.save_weights(partial)
        again = keras.models.clone_model(model)
        again.load_weights(partial)
        inputs = random_inputs(model)
        difference = checked_difference(predicted(model, inputs), predicted(again, inputs), out)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _save_savedmodel(model: keras.Model, out: Path) -> float:
    import tensorflow as tf

    from kerasac.models.plain import checked_difference, predicted, random_inputs

    partial = out.with_name(f".partial-{out.name}")
    remove(partial)
    try:
        model.export(partial, format="tf_saved_model", verbose=False)
        loaded = tf.saved_model.load(str(partial))  # kept: its functions do not keep its variables
        inputs = random_inputs(model)
        difference = checked_difference(predicted(model, inputs), predicted(_as_model(loaded.serve), inputs), out)
        remove(out)
        partial.replace(out)
    finally:
        remove(partial)
    return difference


def _as_model(serve: Any) -> Any:
    """Call a served function as a model is called."""

    def call(inputs: Any, *, training: bool) -> Any:
        del training
        found = serve(inputs)
        return dict(found) if hasattr(found, "items") else found

    return call
