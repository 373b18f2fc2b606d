"""The labels command: bins of a genome, labelled for many tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kerasac.cli.options import DataFolder, Verbose, set_volume
from kerasac.errors import ConfigError
from kerasac.store.labels.spec import Approach, BinShape, FileType, LabelSpec, Statistic, Transform


def labels(
    tasks: Annotated[Path, typer.Argument(help="TSV of task, narrowPeak, bigwig and ambig; cells are file paths.")],
    chrom_sizes: Annotated[Path, typer.Option(help="Chromosome sizes (or a FASTA index).")],
    out: Annotated[Path, typer.Option(help="Label file to write: .hdf5, .tsv.gz, .tsv.bz2 or .tsv.")],
    labeling_approach: Annotated[Approach, typer.Option(help="What a bin's label is.")],
    output_type: Annotated[FileType | None, typer.Option(help="Format; default: by the name of the file.")] = None,
    bin_size: Annotated[int, typer.Option(help="Bases of a bin, in which peaks and signal count.")] = 200,
    bin_stride: Annotated[int, typer.Option(help="Bases from one bin's start to the next's.")] = 50,
    left_flank: Annotated[int, typer.Option(help="Bases before the bin that a model sees too.")] = 400,
    right_flank: Annotated[int, typer.Option(help="Bases after the bin that a model sees too.")] = 400,
    overlap_thresh: Annotated[float, typer.Option(help="Part of the bin, or of a shorter peak, to overlap.")] = 0.5,
    allow_ambiguous: Annotated[
        bool, typer.Option("--allow-ambiguous", help="Make bins beside positive ones and in ambig regions NaN.")
    ] = False,
    bigwig_stats: Annotated[Statistic, typer.Option(help="Signal of a bin, for peak regressions.")] = Statistic.MEAN,
    label_transformer: Annotated[
        Transform, typer.Option(case_sensitive=False, help="Transform of the signal.")
    ] = Transform.ASINH,
    label_transformer_pseudocount: Annotated[float, typer.Option(help="Added before log and log10.")] = 0.001,
    store_positives_only: Annotated[
        bool, typer.Option("--store-positives-only", help="Keep bins above 0 in a task; the rest beside them.")
    ] = False,
    store_values_above_thresh: Annotated[
        float | None, typer.Option(help="Keep bins with a label above this in a task; the rest beside them.")
    ] = None,
    split_output_by_chrom: Annotated[
        bool, typer.Option("--split-output-by-chrom", help="One file a chromosome, its name before the file's.")
    ] = False,
    split_output_by_task: Annotated[
        bool, typer.Option("--split-output-by-task", help="One file a task, its name before the file's.")
    ] = False,
    chroms_to_keep: Annotated[list[str], typer.Option(help="Label only this chromosome; repeatable.")] = [],  # noqa: B006
    chroms_to_exclude: Annotated[list[str], typer.Option(help="Leave this chromosome out; repeatable.")] = [],  # noqa: B006
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    workers: Annotated[int | None, typer.Option(help="Ray workers of this machine; default: by the work.")] = None,
    data: DataFolder = None,
    verbose: Verbose = 0,
) -> None:
    """Label the bins of a genome for many tasks.

    The bins, approaches and files are those of seqdataloader's genomewide_labels.
    """
    set_volume(verbose, quiet=False)
    from kerasac.cli.show import progress_bar, show_facts
    from kerasac.runs.nodes import node_shards
    from kerasac.runs.session import closing_ray
    from kerasac.store.labels.build import write_labels
    from kerasac.store.labels.outputs import OutputSpec

    if store_positives_only and store_values_above_thresh is not None:
        raise ConfigError(
            "--store-positives-only keeps labels above 0; give it or --store-values-above-thresh, not both"
        )
    spec = LabelSpec(
        labeling_approach,
        BinShape(bin_size, bin_stride, left_flank, right_flank),
        overlap=overlap_thresh,
        ambiguous=allow_ambiguous,
        statistic=bigwig_stats,
        transform=label_transformer,
        pseudocount=label_transformer_pseudocount,
    )
    output = OutputSpec(
        out,
        output_type,
        above=0.0 if store_positives_only else store_values_above_thresh,
        by_chrom=split_output_by_chrom,
        by_task=split_output_by_task,
        overwrite=overwrite,
    )
    with closing_ray(), node_shards(workers) as shards, progress_bar("writing") as progress:
        report = write_labels(
            tasks,
            chrom_sizes,
            output,
            spec,
            base=data,
            keep=chroms_to_keep,
            exclude=chroms_to_exclude,
            shards=shards,
            progress=progress,
        )
    files = ", ".join(str(path) for path in report.files[:4]) + (" …" if len(report.files) > 4 else "")
    facts = [("files", f"{len(report.files)}: {files}"), ("bins", f"{report.n_bins:,}")]
    for task in report.counts:
        above = (
            f"{task.n_positive:,} positive" if labeling_approach.is_classification else f"{task.n_positive:,} above 0"
        )
        facts.append((task.task, f"{above}, {task.n_ambiguous:,} ambiguous"))
    show_facts(f"wrote {out}", facts, Console())
