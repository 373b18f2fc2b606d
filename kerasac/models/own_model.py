"""Read a user's own architecture, a function of a Python file, without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from kerasac.cache import digest
from kerasac.errors import ModelError, suggest
from kerasac.models.contract import Contract
from kerasac.models.parameters import Kind, Parameters, check_type

_OWN = re.compile(r"(?P<path>.+\.py)(?::(?P<function>.*))?")
REQUIRED = object()  # in place of the default of a parameter that has none


class Signature(NamedTuple):
    """The parameters of a build function after the contract, with their defaults; ``open`` takes any others too."""

    defaults: dict[str, Any]
    open: bool


@dataclass(frozen=True)
class OwnParameters(Parameters):
    """A function of a user's own file, ``build(contract, **parameters) -> keras.Model``, and what it is called with.

    The text of the file is part of it and travels to every worker, on whatever machine.
    """

    family: ClassVar[str] = "own"
    kind: ClassVar[Kind] = "own"

    path: str
    function: str
    source: str = field(repr=False)
    values: Mapping[str, Any]

    def __hash__(self) -> int:
        """Leave out the values, which may be lists and mappings; equality compares them."""
        return hash((self.path, self.function, self.source))

    @property
    def name(self) -> str:
        """The file and function, as the experiment names them."""
        return f"{self.path}:{self.function}"

    @property
    def receptive_bp(self) -> None:
        """Not known: the function is not run here."""
        return

    @property
    def digests(self) -> Mapping[str, str]:
        """Digest of the file's text, wherever it lies."""
        return {"architecture": f"{digest({'source': self.source})}:{self.function}"}

    def check(self, contract: Contract) -> None:
        """Nothing is known before the model is built; then its inputs and outputs are checked."""

    def n_weights(self, contract: Contract) -> None:
        """Not known: only building tells."""
        del contract


def is_own(architecture: str) -> bool:
    """Whether an architecture names a Python file rather than an entry of the registry."""
    return _OWN.fullmatch(architecture) is not None


def read_own(architecture: str, values: Mapping[str, Any]) -> OwnParameters:
    """Read ``path/to/my_model.py:build``, and check its values against the function's signature; runs no code.

    Raises
    ------
    ModelError
        When the file is missing or is no Python, when it imports what lies beside it, when it has no such function, or
        when a parameter is unknown (the nearest is named), missing or of another type than its default.
    """
    path, function = _parts(architecture)
    source = _read(path)
    signature = _signature(ast.parse(source), path, function)
    for name, value in values.items():
        if name in signature.defaults:
            _check_type(name, value, signature.defaults[name])
        elif not signature.open:
            raise ModelError(f"unknown parameter {name!r} of {path}:{function}{suggest(name, signature.defaults)}")
    missing = [name for name, default in signature.defaults.items() if default is REQUIRED and name not in values]
    if missing:
        raise ModelError(f"{path}:{function} needs model.{missing[0]}, which has no default; set it")
    return OwnParameters(path, function, source, dict(values))


def own_signature(architecture: str) -> Signature:
    """Return the parameters of a build function; runs no code."""
    path, function = _parts(architecture)
    return _signature(ast.parse(_read(path)), path, function)


def _parts(architecture: str) -> tuple[str, str]:
    match = _OWN.fullmatch(architecture)
    assert match is not None, "only what is_own is read"
    path, function = match.group("path", "function")
    if not function:
        raise ModelError(f"architecture {architecture} names no function; say {path}:build")
    return path, function


def _read(path: str) -> str:
    """Return the text of a file that is Python and complete in itself."""
    try:
        source = Path(path).read_text(encoding="utf-8")
        tree = ast.parse(source)
    except FileNotFoundError:
        raise ModelError(f"model.architecture: {path} does not exist") from None
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise ModelError(f"model.architecture: {path} cannot be read as Python: {error}") from None
    for module in _imported(tree):
        beside = Path(path).parent / module
        if not module or beside.with_suffix(".py").is_file() or (beside / "__init__.py").is_file():
            raise ModelError(
                f"{path} imports {module or 'relatively'}, which lies beside it; only the file itself travels to the "
                "workers: put it all into one file, or install the other as a package"
            )
    return source


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the first part of every imported module's name; nothing for a relative import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "" if node.level else str(node.module).split(".")[0]


def _signature(tree: ast.Module, path: str, function: str) -> Signature:
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if function not in functions:
        raise ModelError(f"{path} has no function {function!r} at its top level{suggest(function, functions)}")
    arguments = functions[function].args
    positional = [*arguments.posonlyargs, *arguments.args]
    if not positional:
        raise ModelError(f"{path}:{function} takes no argument; its first one is the contract of inputs and outputs")
    given = [REQUIRED] * (len(positional) - len(arguments.defaults)) + [_value(node) for node in arguments.defaults]
    defaults = dict(zip([argument.arg for argument in positional[1:]], given[1:], strict=True))
    for argument, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        defaults[argument.arg] = REQUIRED if node is None else _value(node)
    return Signature(defaults, open=arguments.kwarg is not None)


def _value(node: ast.expr) -> Any:
    """Return a literal's value; any other default stays an expression."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return node


def _check_type(name: str, value: Any, default: Any) -> None:
    """Check numbers, words and truth values; what a list holds is the function's own matter."""
    if isinstance(default, bool | int | float | str):
        check_type(name, value, default)
