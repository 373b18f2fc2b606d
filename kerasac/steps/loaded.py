"""Load trained models, each once a process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cache import file_digest
from kerasac.models.contract import Contract
from kerasac.models.registry import Parameters, register_classes

if TYPE_CHECKING:
    import keras


def loaded_models(paths: Sequence[Path], contract: Contract, parameters: Parameters) -> list[keras.Model]:
    """Return models that take and give what the contract names."""
    register_classes(parameters)
    return [_loaded(path, file_digest(path), contract) for path in paths]


@lru_cache(maxsize=64)
def _loaded(path: Path, content: str, contract: Contract) -> keras.Model:
    """Load a model; ``content`` is its file's digest."""
    from kerasac.models.checkpoint import load_model
    from kerasac.models.fitted import fitted

    return fitted(load_model(path), contract, str(path))
