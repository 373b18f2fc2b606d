"""genomewide_labels: bins of a genome, labelled for many tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kerasac.cli.original.commands import Done
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint
from kerasac.errors import ConfigError, suggest

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.store.labels.outputs import OutputSpec
    from kerasac.store.labels.spec import LabelSpec


def genomewide_labels(given: Given, console: Console) -> Done:
    """Write label files; cells of the table are paths relative to the working folder, as in seqdataloader."""
    from kerasac.cli.show import progress_bar
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.store.labels.build import write_labels

    with closing_ray(), node_shards() as shards, progress_bar("writing", console) as progress:
        report = write_labels(
            given.path("task_list"),
            given.path("chrom_sizes"),
            _output(given),
            _spec(given),
            base=Path.cwd(),
            keep=list(given.texts("chroms_to_keep")),
            exclude=list(given.texts("chroms_to_exclude")),
            shards=shards,
            progress=progress,
        )
    return Done(_hint(given), tuple(map(str, report.files)))


def _spec(given: Given) -> LabelSpec:
    from kerasac.store.labels.spec import Approach, BinShape, LabelSpec, Statistic, Transform

    transform = given.text("label_transformer") or Transform.NONE
    if transform not in set(Transform):
        raise ConfigError(f"--label_transformer is {transform!r}{suggest(transform, ['None', *Transform])}")
    shape = BinShape(*(given.whole(name) or 0 for name in ("bin_size", "bin_stride", "left_flank", "right_flank")))
    return LabelSpec(
        Approach(given.needed("labeling_approach")),
        shape,
        overlap=given.number("overlap_thresh") or 0.0,
        ambiguous=given.is_on("allow_ambiguous"),
        statistic=Statistic(given.needed("bigwig_stats")),
        transform=Transform(transform),
        pseudocount=given.number("label_transformer_pseudocount") or 0.0,
    )


def _output(given: Given) -> OutputSpec:
    from kerasac.store.labels.outputs import OutputSpec
    from kerasac.store.labels.spec import FileType

    kind = given.needed("output_type")
    if kind == "pkl":
        raise ConfigError("--output_type pkl: pickles run code of their file; take hdf5, gzip or bz2")
    above = given.number("store_values_above_thresh")
    if given.is_on("store_positives_only"):
        if above is not None:
            raise ConfigError("--store_positives_only keeps labels above 0; give it or --store_values_above_thresh")
        above = 0.0
    return OutputSpec(
        given.path("outf"),
        FileType(kind),
        above=above,
        by_chrom=given.is_on("split_output_by_chrom"),
        by_task=given.is_on("split_output_by_task"),
        # Names of seqdataloader, which depend on the format and on whether the path is absolute.
        chrom_last=kind == FileType.HDF5,
        negatives_last=not given.path("outf").is_absolute(),
        overwrite=True,
    )


_SWITCHES = ("allow_ambiguous", "split_output_by_chrom", "split_output_by_task", "store_positives_only")


def _hint(given: Given) -> str:
    names = ("chrom_sizes", "output_type", "bin_size", "bin_stride", "left_flank", "right_flank", "labeling_approach")
    return hint(
        "labels",
        given.needed("task_list"),
        out=given.text("outf"),
        **{name: given.text(name) for name in names},
        **{name: given.is_on(name) for name in _SWITCHES},
        store_values_above_thresh=given.number("store_values_above_thresh"),
        chroms_to_keep=given.texts("chroms_to_keep"),
        chroms_to_exclude=given.texts("chroms_to_exclude"),
        data=".",
    )
