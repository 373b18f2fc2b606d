"""Put a model into MLflow's registry under a name and an alias."""

from __future__ import annotations

from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from kerasac.cache.files import file_digest
from kerasac.runs.tracking_store import Store

_DIGEST_TAG = "kerasac.digest"
_HELD = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")


def register_model(store: Store, run_id: str, path: Path, *, name: str, alias: str, description: str) -> str:
    """Register a .keras file, logged as a model of a run, and give its version the alias; returns its address.

    The alias moves from an earlier version. A model that is registered already gets no other version.
    """
    name = registered_name(name)
    digest = file_digest(path)
    address = store.log_model(run_id, path)
    _make(store, name)
    version = _version(store, name, digest, run_id)
    if version is None:
        version = store.client.create_model_version(
            name,
            source=address,
            run_id=run_id,
            tags={_DIGEST_TAG: digest},
            description=description,
            model_id=address.removeprefix("models:/"),
        )
    elif version.description != description:
        store.client.update_model_version(name, version.version, description=description)
    store.client.set_registered_model_alias(name, alias, version.version)
    return f"models:/{name}/{version.version}"


def registered_name(name: str) -> str:
    """Return a name as the registry takes it: without slashes and colons, which part its addresses."""
    return name.replace("/", "-").replace(":", "-")


def _make(store: Store, name: str) -> None:
    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in _HELD:
            raise


def _version(store: Store, name: str, digest: str, run_id: str) -> ModelVersion | None:
    for version in store.client.search_model_versions(f"name = '{name}'"):
        if version.tags.get(_DIGEST_TAG) == digest and version.run_id == run_id:
            return version
    return None
