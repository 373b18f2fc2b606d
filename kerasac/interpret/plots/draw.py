"""Draw places of the genome into files: what ``kerasac-ray plot`` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from kerasac.cache import whole_file
from kerasac.errors import InterpretError
from kerasac.interpret.plots.choices import Format, Kind
from kerasac.interpret.plots.places import Place
from kerasac.interpret.plots.region import Look, region_figure, shared_limits
from kerasac.interpret.plots.tracks import Files, open_sources, read_tracks
from kerasac.steps.plots.style import DPI


def draw_places(
    places: Sequence[Place],
    files: Files,
    out: Path,
    *,
    look: Look = Look(),  # noqa: B008 - frozen
    kinds: Sequence[Kind] = tuple(Kind),
    form: Format = Format.PNG,
    overwrite: bool = False,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Write a figure a place to a folder, ``<chrom>_<start>-<end>.<format>``; returns their paths.

    All places are read before the first is drawn, so that a mistake leaves no figures.

    Raises
    ------
    InterpretError
        When a file has nothing in a place, is of another genome, or a figure is there already.
    """
    paths = [out / f"{place.file_name}.{form.value}" for place in places]
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise InterpretError(f"{there[0]} is there already; choose another --out, or --overwrite")
    with open_sources(files, kinds) as sources:
        tracks = [read_tracks(sources, place) for place in places]
    limits = shared_limits(tracks, look) if look.shared_scale else None
    for i, (path, place, drawn) in enumerate(zip(paths, places, tracks, strict=True)):
        figure = region_figure(place, drawn, look, limits)
        with whole_file(path) as beside, mpl.rc_context(_SAME_NAMES):
            figure.savefig(beside, format=form.value, dpi=DPI, metadata=_UNDATED[form])
        advance(i + 1, len(places))
    return paths


# Equal figures are equal files: without a time in them, and with the same names of parts.
_SAME_NAMES: Any = {"svg.hashsalt": "kerasac"}
_UNDATED: dict[Format, dict[str, None]] = {
    Format.PNG: {},
    Format.PDF: {"CreationDate": None},
    Format.SVG: {"Date": None},
}
