"""kerasAC_curves: precision by recall, and true by false positives."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console


def curves(given: Given, console: Console) -> Done:
    """Draw the curves of tables of bins."""
    del console
    from kerasac.cli.original.bin_tables import linked
    from kerasac.steps.curves import compute_curves
    from kerasac.steps.plots.curves import check_figure, write_curves
    from kerasac.steps.ranked import find_sources

    labels, predictions = (tuple(map(Path, given.texts(name))) for name in ("labels_hdf5", "predictions_hdf5"))
    if not labels or len(labels) != len(predictions):
        raise ConfigError(
            f"{len(labels)} tables of labels and {len(predictions)} of predictions: give both, one a source"
        )
    names = given.texts("names") or tuple(_short(path, place) for place, path in enumerate(predictions))
    out = given.path("outf")
    check_figure(out, len(predictions))
    with ExitStack() as stack:
        pairs = zip(labels, predictions, strict=True)
        prefixes = [stack.enter_context(linked(*pair, name=f"source-{i}")) for i, pair in enumerate(pairs)]
        computed = compute_curves(find_sources(prefixes, list(names)), list(given.texts("tasks")))
    write_curves(out, computed, title=given.text("title") or "")
    sources = [str(path).replace(".predictions.0", "") for path in predictions]
    return Done(hint("curves", *sources, out=out, title=given.text("title")), (str(out),))


def _short(path: Path, place: int) -> str:
    """Name a source by its file; the number keeps two of one name apart."""
    return f"{path.name.partition('.predictions')[0]}" + (f" ({place + 1})" if place else "")
