"""Say how to get the packages that only motifs need."""

from __future__ import annotations

from importlib.util import find_spec

from kerasac.errors import InterpretError

_PACKAGES = {"modiscolite": "modisco-lite", "memelite": "memelite", "pyjaspar": "pyjaspar"}


def need(*modules: str) -> None:
    """Raise InterpretError, which says what to install, unless all of these modules are there."""
    missing = [_PACKAGES[module] for module in modules if find_spec(module) is None]
    if missing:
        raise InterpretError(
            f"{', '.join(missing)} is not installed; install it with: pip install 'kerasac-ray[motifs]'"
        )
