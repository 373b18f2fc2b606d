"""Prepare TensorFlow and Keras in a process before anything else loads them."""

from __future__ import annotations

import os


def prepare_backend(threads: int | None = None, *, gpus: bool = True) -> None:
    """Choose the TensorFlow backend, quiet its start-up, bound its threads (None = its own choice), or hide the GPUs.

    Must run before the first import of Keras in a process. Ray Train asks for the legacy Keras 2 by an
    environment variable, which is taken back here.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if gpus:
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else the first trainer takes a shared GPU whole
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # Ray hides none from a process that asked for none
    if threads is not None:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)


def gpu_count() -> int:
    """Return how many GPUs TensorFlow sees in this process; imports TensorFlow."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))
