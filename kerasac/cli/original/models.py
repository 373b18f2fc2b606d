"""Find the model that kerasAC's flags name, as a file that Keras 3 loads."""

from __future__ import annotations

from pathlib import Path

from kerasac.cache import cache_folder, digest, file_digest
from kerasac.cli.original.flags import Given
from kerasac.errors import ConfigError


def model_file(given: Given) -> Path:
    """Return the model: a ``.keras`` file as it is, one that Keras 2 saved converted into the cache.

    Raises
    ------
    ConfigError
        When the flags name no model, or several.
    ModelError
        When it cannot be converted.
    """
    whole, architecture, weights = (given.text(name) for name in ("load_model_hdf5", "json", "weights"))
    if (whole is None) == (architecture is None):
        raise ConfigError(f"{given.command} needs a model: --load_model_hdf5, or --json with --weights")
    if whole is not None and weights is not None:
        raise ConfigError("--weights goes with --json; the file of --load_model_hdf5 has its own")
    path = Path(whole or architecture or "").expanduser()
    if not path.is_file():
        raise ConfigError(f"model {path} does not exist")
    if path.suffix == ".keras":
        return path.absolute()
    from kerasac.models.quiet_start import load_keras_quietly

    load_keras_quietly(gpus=True)
    from kerasac.steps.convert import convert_once

    beside = Path(weights).expanduser() if weights is not None else None
    content = {"model": file_digest(path), "weights": beside is not None and beside.is_file() and file_digest(beside)}
    converted = cache_folder() / "converted" / digest(content) / f"{path.stem}.keras"  # messages name it
    convert_once(path, converted, beside)
    return converted
