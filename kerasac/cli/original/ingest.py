"""db_ingest: tracks in a TileDB array."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console


def db_ingest(given: Given, console: Console) -> Done:
    """Write an array; cells of the table are paths relative to the working folder, as in seqdataloader."""
    from kerasac.cache import in_threads, location
    from kerasac.cli.show import progress_bar
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.store.ingest import ingest
    from kerasac.store.schema import is_array

    attributes = given.text("attribute_config_file") or given.text("attribute_config")
    if attributes is None:
        raise ConfigError("db_ingest needs --attribute_config or --attribute_config_file")
    out = given.needed("array_name")
    overwrite = given.is_on("overwrite") and is_array(out)  # in seqdataloader it updates, and keeps other attributes
    with closing_ray(), node_shards(short=in_threads) as shards, progress_bar("writing", console) as progress:
        layout = ingest(
            location(given.needed("tiledb_metadata")),
            attributes,
            location(given.needed("chrom_sizes")),
            location(out),
            base=Path.cwd(),
            overwrite=overwrite,
            add=overwrite,
            shards=shards,
            progress=progress,
        )
    same = hint(
        "ingest",
        given.needed("tiledb_metadata"),
        attributes=attributes,
        chrom_sizes=given.needed("chrom_sizes"),
        out=out,
        add=overwrite,
        overwrite=overwrite,
        data=".",
    )
    return Done(same, (f"{layout.path}: {len(layout.datasets)} datasets, {len(layout.attributes)} attributes",))
