"""Load Keras in a process of one command, without the lines that TensorFlow's start-up leaves on the screen."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from kerasac.models.backend import prepare_backend


def load_keras_quietly(*, threads: int | None = None, gpus: bool = False) -> None:
    """Load Keras, on CPUs unless GPUs are asked for; nothing happens when it is loaded already."""
    if "keras" in sys.modules:
        return
    # What fails raises in Python as well; oneDNN calls it an error when a processor has no fast way for a type.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    prepare_backend(threads, gpus=gpus)
    with _held_back():
        import keras

        keras.ops.zeros(1)  # the first operation looks for devices, and says so
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of a last batch of another size


@contextmanager
def _held_back() -> Iterator[None]:
    """Keep what is written to stderr, also by libraries, and show it only if the block fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            kept.seek(0)
            with os.fdopen(os.dup(2), "wb") as shown:
                shutil.copyfileobj(kept, shown)
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
