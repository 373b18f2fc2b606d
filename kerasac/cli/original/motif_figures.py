"""The commands of kerasAC that draw motifs, and show them on a page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kerasac.cache import whole_file, write_whole
from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.cli.original.motifs import positive_patterns, read_table
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.interpret.plots.logo import Floats

_INCHES = (10, 3)
_STRANDS = ("fwd", "rev")
_PREFIX = "pos_patterns."  # of the figures of patterns


def trim_modisco(given: Given, console: Console) -> Done:
    """Draw mean contributions of positive patterns, trimmed, on both strands, into the folder that one is in."""
    del console
    from kerasac.interpret.motifs.trim import Trim, trimmed

    source = given.path("modisco_hits")
    trim = Trim(given.number("trim_thresh") or 0.0, given.whole("trim_extend") or 0)
    written = []
    for pattern in positive_patterns(source):
        forward = trimmed(pattern, trim).contributions
        for strand, heights in zip(_STRANDS, (forward, forward[::-1, ::-1]), strict=True):
            written.append(_draw(heights, "mean contribution", Path(f"{pattern.name}.cwm.{strand}.png")))
    flank = str(trim.flank_bp)  # 0 is not the default
    return Done(hint("motifs", patterns=source, trim=trim.share, trim_flank=flank), tuple(map(str, written)))


def plot_motifs(given: Given, console: Console) -> Done:
    """Draw the information of matrices, one a file."""
    del console
    from kerasac.interpret.motifs.meme import as_probabilities
    from kerasac.interpret.plots.logo import information_heights

    folder, out = given.path("motif_file_dir"), given.path("out_dir")
    files = sorted(path for path in folder.glob("*") if path.is_file())
    if not files:
        raise ConfigError(f"{folder} has no files of matrices")
    written = []
    for path in files:
        try:
            matrix = np.loadtxt(path, ndmin=2).T
        except ValueError as error:
            raise ConfigError(f"{path} is not a matrix, four lines A C G T of probabilities: {error}") from None
        heights = information_heights(as_probabilities(matrix, str(path)))
        written.append(_draw(heights, "information (bits)", out / f"{path.name}.png"))
    return Done(hint("motifs", patterns="modisco.h5"), tuple(map(str, written)))


def html_modisco(given: Given, console: Console) -> Done:
    """Write a page with a row a pattern: its logos, and those of the known motifs that it resembles."""
    del console
    hits = read_table(given.path("tomtom_hits_file"))
    n = min(given.whole("max_tomtom_hits") or 0, sum(str(name).startswith("match_") for name in hits))
    plots, own = given.path("modisco_plots_folder"), given.text("html_prefix_modisco_pngs") or "."
    known = given.text("html_prefix_motif_ref_pngs") or "."
    rows = []
    for hit in hits.to_dict("records"):
        row = {"Pattern": escape(hit["Pattern"]), "num_seqlets": escape(hit["num_seqlets"])}
        for strand in _STRANDS:
            names = [f"{prefix}{hit['Pattern']}.cwm.{strand}.png" for prefix in ("", _PREFIX)]
            found = next((name for name in names if (plots / name).is_file()), None)
            row[f"modisco_cwm_{strand}"] = _image(f"{own}/{found}") if found else ""
        for i in range(1, n + 1):
            match = hit[f"match_{i}"]
            row |= {f"match_{i}": escape(match), f"qvalue_{i}": escape(hit[f"qvalue_{i}"])}
            row[f"match_{i}_logo"] = _image(f"{known}/{match}.pfm.png") if match else ""
        rows.append(row)
    with pd.option_context("display.max_colwidth", None):
        page = pd.DataFrame(rows).to_html(escape=False, index=False)
    write_whole(given.path("outf"), page)
    return Done(hint("motifs", patterns="modisco.h5"), (given.needed("outf"),))


def _draw(heights: Floats, what: str, path: Path) -> Path:
    from matplotlib.figure import Figure

    from kerasac.interpret.plots.logo import draw_logo

    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.add_subplot()
    draw_logo(axes, heights)
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set(xlabel="position", ylabel=what)
    axes.spines[["top", "right"]].set_visible(False)
    with whole_file(path) as beside:
        figure.savefig(beside, format="png")
    return path


def _image(path: str) -> str:
    return f'<img src="{escape(path)}" width="240">'
