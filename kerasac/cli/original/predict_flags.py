"""The flags of kerasAC's commands that predict."""

from __future__ import annotations

from kerasac.cli.original.flags import Flag, file, number, switch, text, whole
from kerasac.cli.original.shared_flags import (
    batch_size_flag,
    bin_flags,
    machine_flags,
    model_file_flags,
    peak_flags,
    snp_flags,
    track_flags,
)


def predict_tdb_flags() -> tuple[Flag, ...]:
    """Return the flags of kerasAC_predict_tdb."""
    return (
        *_places(),
        *track_flags(),
        *peak_flags(attribute="idr_peak", threshold=1),
        number(
            "upsample_ratio_list_predict",
            "above 0: positions of the peak attribute; else steps along chromosomes",
            many=True,
        ),
        text("chrom_sizes", idle="the array keeps the sizes of its chromosomes"),
        whole("tiledb_stride", "--stride", default=1),
        switch("revcomp", idle="windows are predicted as they lie in the genome"),
        file("bed_regions", "--regions"),
        text("bed_regions_center", "--center", choices=("summit", "center", "random", "edges")),
        switch("center_on_summit", "--center summit, in older versions"),
        *_calibrations("run `kerasac-ray calibrate` on a run"),
        *model_file_flags(),
        *snp_flags(),
        *machine_flags(),
        batch_size_flag(),
    )


def predict_hdf5_flags() -> tuple[Flag, ...]:
    """Return the flags of kerasAC_predict_hdf5."""
    return (
        *_places(),
        *bin_flags(),
        text("tasks", "outputs.source: names of the tasks of the label file", many=True),
        whole("num_inputs", "checked against the number of --input_data_path"),
        whole("num_outputs", "checked: 1"),
        switch("center_on_summit", idle="bins have no summits"),
        switch("calibrate_classification", "logits instead of probabilities, for kerasAC_calibrate"),
        switch("calibrate_regression", "values as they are, for kerasAC_calibrate"),
        *model_file_flags(),
        *snp_flags(),
        *machine_flags(),
        batch_size_flag(),
    )


def _places() -> list[Flag]:
    return [
        file("ref_fasta", "genome.fasta"),
        text("predictions_and_labels_hdf5", "--out: prefix of what is written"),
        text("predict_chroms", "chromosomes whose windows are predicted", many=True),
        text("genome", "with --fold: its test chromosomes", choices=("hg19", "hg38", "mm9", "mm10")),
        whole("fold", "with --genome: its test chromosomes are predicted"),
    ]


def _calibrations(instead: str) -> list[Flag]:
    return [switch(name, refused=instead) for name in ("calibrate_classification", "calibrate_regression")]
