"""Make self-contained HTML pages: one shell and one look, no script, no other file, no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure
from PIL import Image

from kerasac.cache import whole_file

PNG_COLORS = 96


def template(name: str | Path) -> jinja2.Template:
    """Return a template of ``templates/``, or the file of a path, which extends ``base.html.j2`` of ``templates/`` too.

    It fills the blocks ``title`` and ``body``.

    Filters: ``number(digits)`` (three digits, – for None), ``short`` (as few digits as tell it apart), ``plural(noun)``
    (``2 folds``). Tests: ``branch`` (a mapping), ``listing`` (a list). Text is escaped, an unknown name is an error.
    """
    own = [name.parent] if isinstance(name, Path) else []
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*own, Path(__file__).parent / "templates"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, short=short, plural=lambda n, noun: plural(n, noun))
    environment.tests["branch"] = lambda value: isinstance(value, Mapping)
    environment.tests["listing"] = lambda value: isinstance(value, list | tuple)
    return environment.get_template(name.name if isinstance(name, Path) else name)


def write_page(path: Path, name: str | Path, /, **values: Any) -> None:
    """Render a template to a file, which appears whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(template(name).render(**values), encoding="utf-8")


def number(value: float | None, digits: int = 3) -> str:
    """Return ``0.705`` with a true minus sign; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def short(value: float) -> str:
    """Return a number to three digits after the point, without zeros at its end."""
    return f"{round(value, 3):g}".replace("-", "−")


def plural(n: int, noun: str) -> str:
    """Return ``1 fold`` or ``2 folds``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def svg_data(figure: Figure) -> str:
    """Return a figure as base64 SVG, for ``data:image/svg+xml;base64,``."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return base64.b64encode(drawn.getvalue()).decode("ascii")


def png_data(path: Path) -> tuple[int, str]:
    """Return the width in pixels and a base64 PNG of a figure in a palette: it has few colours, so this is a third."""
    with Image.open(path) as image:
        palette = image.convert("RGB").quantize(PNG_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    packed = io.BytesIO()
    palette.save(packed, format="PNG")
    return palette.width, base64.b64encode(packed.getvalue()).decode("ascii")
