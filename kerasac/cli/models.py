"""kerasac-ray models: which architectures there are, and what each can be set to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from kerasac.models.describe import Description

_PREDICTS = {"profile": "profile and counts", "bins": "labels of bins", "own": "what you make it"}


def models(
    name: Annotated[
        str | None, typer.Argument(help="Architecture, or a model of your own: path/to/my_model.py:build.")
    ] = None,
    overrides: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="With a name: another parameter, e.g. dilated_layers=6."),
    ] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """List the architectures, or describe one: parameters, receptive field, size, smallest flank of the input."""
    from kerasac.models.describe import describe, describe_all

    if name is None:
        if overrides:
            raise ConfigError("--set needs the name of an architecture")
        found = describe_all()
        _print_json([item.as_dict() for item in found]) if as_json else _show_all(found, Console())
        return
    one = describe(name, _values(overrides))
    _print_json(one.as_dict()) if as_json else _show(one, Console())


def _values(overrides: list[str]) -> dict[str, Any]:
    from kerasac.config import apply_overrides

    return apply_overrides({}, overrides)


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=1))


def _show_all(found: list[Description], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("architecture", no_wrap=True)
    table.add_column("sees", justify="right", no_wrap=True)
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for kind in dict.fromkeys(item.kind for item in found):
        table.add_row(f"[dim]{_PREDICTS[kind]}[/dim]")
        for item in found:
            if item.kind == kind:
                table.add_row(f"  {item.name}", _bases(item), _short(item.n_weights), item.summary)
    console.print(table, highlight=False)
    examples = " and ".join(dict.fromkeys(item.example for item in found))
    _say("\nsees: bases that a base of the profile, or a position before the dense layers, depends on", console)
    _say(f"weights: for {examples}", console)
    _say("more of one: kerasac-ray models NAME; a model of your own: path/to/my_model.py:build", console)


def _show(item: Description, console: Console) -> None:
    console.print(item.name, style="bold", highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(item):
        table.add_row(name, value)
    console.print(table, highlight=False)
    _say("\nparameters (model: …)", console)
    settings = Table(box=None, pad_edge=False, show_header=False)
    settings.add_column(no_wrap=True)
    settings.add_column(overflow="fold")
    for name, value in item.parameters.items():
        settings.add_row(f"  {name}", json.dumps(value))
    console.print(settings, highlight=False, markup=False) if item.parameters else _say("  none", console)
    if item.text:
        _say("\n" + item.text.replace("``", ""), console)


def _facts(item: Description) -> list[tuple[str, str]]:
    facts = [("what", item.summary), ("source", item.source), ("predicts", _PREDICTS[item.kind])]
    if item.kind == "own":
        return facts
    seeing = "each base of the profile" if item.kind == "profile" else "each position before the dense layers"
    return [
        *facts,
        ("receptive field", f"{_bases(item)} bases, seen by {seeing}" if item.receptive_bp else "the whole window"),
        ("input's flank", _flank(item)),
        ("weights", f"{item.n_weights:,}, for {item.example}"),
        ("DeepSHAP", "yes" if item.explainable else "no: its graph has a loop; use gradients or mutagenesis"),
    ]


def _flank(item: Description) -> str:
    wide = f", for {item.example}" if item.kind == "profile" else ""
    return f"at least {item.minimum_flank:,}{wide}"


def _bases(item: Description) -> str:
    return f"{item.receptive_bp:,}" if item.receptive_bp is not None else "all"


def _short(n_weights: int | None) -> str:
    if n_weights is None:
        return "?"
    return f"{n_weights / 1e6:.2f} M" if n_weights >= 1e5 else f"{n_weights:,}"


def _say(text: str, console: Console) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
