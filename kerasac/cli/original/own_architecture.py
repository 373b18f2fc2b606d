"""Make an architecture of ours of a file that defines kerasAC's getModelGivenModelOptionsAndWeightInits(args)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from kerasac.cli.original.flags import Given
from kerasac.errors import ConfigError

OWN_FILE = "architecture.py"
FUNCTION = "getModelGivenModelOptionsAndWeightInits"
_FLANKS = ("tdb_input_flank", "tdb_output_flank")
_ADDED = f'''

# Added for kerasac-ray: its architectures are functions of the inputs and outputs.
class _Flank(int):
    """A flank as all versions of kerasAC give it: a number, and text with commas between channels."""

    def split(self, separator):
        return str(int(self)).split(separator)


def build(contract, flags):
    import argparse

    import keras

    from kerasac.models.fitted import fitted

    flanks = {{name: [_Flank(flank) for flank in flags[name]] for name in {_FLANKS!r} if flags.get(name)}}
    model = {FUNCTION}(argparse.Namespace(**{{**flags, **flanks}}))
    plain = keras.Model(model.inputs, model.outputs, name=model.name)  # without the file's own optimizer
    return fitted(plain, contract, "{FUNCTION}")
'''


def own_source(path: Path) -> str:
    """Return the text of an architecture file of ours that calls the function of a file of kerasAC's kind.

    Raises
    ------
    ConfigError
        When the file is missing, is no Python, or has no such function.
    """
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise ConfigError(f"--architecture_from_file: {path} cannot be read as Python: {error}") from None
    if not any(isinstance(node, ast.FunctionDef) and node.name == FUNCTION for node in tree.body):
        raise ConfigError(f"--architecture_from_file: {path} has no function {FUNCTION}(args)")
    return source + _ADDED


def flags_of(given: Given) -> dict[str, Any]:
    """Return all flags by all their names, with absolute paths, as the function finds them in ``args``."""
    found: dict[str, Any] = {}
    for flag in given.flags:
        value = given.values.get(flag.name, flag.default)
        found |= dict.fromkeys(flag.names, list(value) if isinstance(value, tuple) else value)
    for name in _FLANKS:
        if found.get(name):
            found[name] = [int(str(flank).partition(",")[0]) for flank in found[name]]
    if found.get("model_params"):
        found["model_params"] = str(Path(found["model_params"]).absolute())
    return found
