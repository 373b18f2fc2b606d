"""Try the weights that a model is to start from, in a process of its own, which alone loads TensorFlow."""

from __future__ import annotations

import pickle
import subprocess
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from kerasac import __version__
from kerasac.cache import digest, entry, file_digest, local_copy
from kerasac.config import InitializeSpec
from kerasac.errors import KerasacError, ModelError
from kerasac.models.backend import prepare_backend
from kerasac.models.basset_parameters import BassetParameters
from kerasac.models.contract import Contract
from kerasac.models.registry import Parameters, build_model


def check_first_weights(
    architecture: str, contract: Contract, parameters: Parameters, spec: InitializeSpec | None
) -> None:
    """Check that files of weights fit the model, once a machine; no TensorFlow is loaded where none is named.

    Raises
    ------
    ModelError
        When ``training.initialize`` or ``model.initial_weights`` does not fit, or the model cannot be built.
    """
    if spec is None and not (isinstance(parameters, BassetParameters) and parameters.initial_weights):
        return
    facts = {
        "version": __version__,
        "model": (architecture, contract, parameters, parameters.digests),
        "initialize": None if spec is None else (spec.layers, spec.freeze, file_digest(local_copy(spec.file))),
    }
    asked = pickle.dumps((architecture, contract, parameters, spec))
    entry(f"first_weights/{digest(facts)}", partial(_try_apart, asked))


def _try_apart(asked: bytes, folder: Path) -> None:
    """Try it in another process: in this one TensorFlow would take a GPU that the units are to have.

    The ``folder`` stays empty: that it is there says that they fit.
    """
    del folder
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=asked, capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines()
        raise ModelError(f"the model cannot be built to try its first weights: {(lines or [''])[-1]}")
    if done.stdout:
        raise ModelError(done.stdout.decode())


def _try(architecture: str, contract: Contract, parameters: Parameters, spec: InitializeSpec | None) -> str:
    """Return what is wrong with the first weights; nothing when all is well."""
    prepare_backend(gpus=False)
    from kerasac.models.transfer import initialize

    try:
        model = build_model(architecture, contract, parameters)
        if spec is not None:
            initialize(model, spec, local_copy(spec.file))
    except KerasacError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # a user's own model may print
        said = _try(*pickle.load(sys.stdin.buffer))
    sys.stdout.buffer.write(said.encode())
