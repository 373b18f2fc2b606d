"""kerasac-ray export: trained models for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kerasac.models.export import ExportFormat


def export(
    source: Annotated[
        Path,
        typer.Argument(
            help="A unit's folder (<run>/fold-0/seed-1234) or a .keras file; with --ensemble a run's folder."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="File to write (.keras, .weights.h5), or folder of a SavedModel.")],
    form: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.KERAS,
    one_hot: Annotated[
        bool, typer.Option("--one-hot", help="The sequence goes in as one-hot rows (n, L, 4), not as tokens (n, L).")
    ] = False,
    corrected: Annotated[bool, typer.Option("--corrected", help="The unit's model without the enzyme's bias.")] = False,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble", help="All finished units of a run as one model: the mean of logits and of log counts."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Write a trained model so that Keras or TensorFlow opens it without this package, and a model card beside it.

    It is kept only if it predicts, loaded again, as the model does. The card says what goes in and comes out, on what
    data it was trained, how well it predicts and where it does not apply; also as JSON.
    """
    from kerasac.cli.show import show_facts
    from kerasac.steps.export import export as export_source

    done = export_source(
        source, out, form, one_hot=one_hot, corrected=corrected, ensemble=ensemble, overwrite=overwrite
    )
    card = str(done.card) if done.card is not None else "none: the file is not in a unit's folder"
    checked = f"loaded again, predictions on random inputs differ by {done.difference:.1g}"
    facts = [("model", str(done.source)), ("card", card), ("checked", checked)]
    show_facts(f"wrote {done.out}", facts, Console())
