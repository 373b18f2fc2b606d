"""The flags of kerasAC_train and kerasAC_cross_validate, of all versions."""

from __future__ import annotations

from kerasac.cli.original.flags import Flag, file, number, switch, text, whole
from kerasac.cli.original.shared_flags import (
    bin_flags,
    class_weight_flags,
    machine_flags,
    peak_flags,
    snp_flags,
    track_flags,
)

_REFERENCE = "genome.fasta"


def train_flags() -> tuple[Flag, ...]:
    """Return the flags of kerasAC_train."""
    return (
        text("model_prefix", "prefix of .hdf5, .arch, .weights, .log and .log.batch", also=("model_hdf5",)),
        *_training(),
        file("chrom_sizes", "genome.chrom_sizes"),
        *track_flags(),
        *peak_flags(),
        *_bins(),
        text("train_chroms", "folds: training chromosomes", many=True),
        text("validation_chroms", "folds: validation chromosomes", many=True),
        text("genome", "folds: hg19, hg38, mm9 and mm10 have kerasAC's ten", choices=("hg19", "hg38", "mm9", "mm10")),
        whole("fold", "which of the folds"),
        file("bed_regions", "sampling.regions.bed"),
        file("bed_regions_train", "sampling.regions.bed, the same file as --bed_regions_validate"),
        file("bed_regions_validate", "sampling.regions.bed, the same file as --bed_regions_train"),
        text(
            "bed_regions_center",
            "sampling.regions.center",
            choices=("summit", "center", "random", "edges"),
        ),
        whole(
            "bed_regions_jitter",
            "nothing: with 'random', a new base of each region is drawn every epoch",
            default=1,
        ),
    )


def cross_validate_flags() -> tuple[Flag, ...]:
    """Return the flags of kerasAC_cross_validate."""
    return (
        text("model_prefix", "prefix of <prefix>.<fold>.hdf5 and others", also=("model_hdf5",)),
        text("assembly", "folds: hg19, hg38, mm9 and mm10 have kerasAC's ten", default="hg19", also=("genome",)),
        whole("splits", "which folds; all where none is given", many=True),
        file("data_path", "labels, as --output_data_path"),
        *_training(),
        *(flag for flag in track_flags() if flag.name != "tdb_array"),
        *peak_flags(attribute="idr_peak", threshold=1),
        *_bins(),
        file("chrom_sizes", "genome.chrom_sizes", also=("chromsizes",)),
        text(
            "predictions_and_labels_hdf5", "prefix of predictions and labels of each fold", also=("predictions_pickle",)
        ),
        text("performance_metrics_classification_file", "prefix of the scores of each fold", many=True),
        text("performance_metrics_regression_file", "prefix of the scores of each fold", many=True),
        text("performance_metrics_profile_file", many=True, refused="score profiles with kerasAC_score_bpnet"),
        text("accuracy_metrics_file", "prefix of the scores of each fold"),
        *(switch(name, refused="run kerasAC_calibrate on the predictions") for name in _CALIBRATIONS),
        number("upsample_ratio_list_predict", idle="all bins of the test chromosomes are predicted", many=True),
        whole("tiledb_stride", idle="it is of arrays", default=1),
        switch("functional", idle="models are built here"),
        switch("center_on_summit", idle="bins have no summits"),
        *(text(name, idle="predict_chroms are those of the fold") for name in ("predict_chroms", "interpret_chroms")),
        *(
            text(name, idle="nothing is interpreted by this command; see kerasAC_interpret")
            for name in ("interpretation_outf", "method", "task_id")
        ),
        text("data_hammock", idle="regions are those of the label file"),
        text(
            "predictions_pickle_to_load", refused="pickles run code of their file; score the tables with kerasAC_score"
        ),
        file("from_checkpoint_weights", "training.initialize"),
        text("from_checkpoint_arch", refused="name an architecture with --architecture_spec"),
    )


_CALIBRATIONS = ("calibrate_classification", "calibrate_regression")


def _training() -> list[Flag]:
    return [
        file("ref_fasta", _REFERENCE),
        whole("seed", "seeds", default=1234),
        text("architecture_spec", "model.architecture", default="basset_architecture_multitask"),
        file("architecture_from_file", "model.architecture: a file with getModelGivenModelOptionsAndWeightInits(args)"),
        file("model_params", "model and loss: a table of name and value"),
        whole("num_tasks", "checked against the number of channels"),
        text("json", refused="name an architecture with --architecture_spec or --architecture_from_file"),
        text("yaml", refused="name an architecture with --architecture_spec or --architecture_from_file"),
        file("load_model_hdf5", "training.initialize: the model whose weights training starts from"),
        file("weights", "training.initialize", also=("init_weights",)),
        *class_weight_flags(),
        text("save_w1_w0", refused="weights by class are worked out anew from the same labels: give --weighted alone"),
        switch("weighted", "loss.class_weights: auto, or those of --w1_w0_file"),
        whole("batch_size", "training.batch_size", default=1000),
        switch("revcomp", "sampling.reverse_complement"),
        whole("num_train", "sampling.train_size", default=700_000),
        whole("num_valid", "sampling.valid_size", default=150_000),
        number(
            "upsample_ratio_list_train",
            "sampling.peaks.ratio, or sampling.bins.ratios",
            many=True,
            also=("train_upsample",),
        ),
        number("upsample_ratio_list_eval", "sampling.bins.valid_ratios", many=True, also=("valid_upsample",)),
        number("upsample_thresh_list_train", "sampling.bins.thresholds", many=True),
        number("upsample_thresh_list_eval", "sampling.bins.thresholds", many=True),
        whole("epochs", "training.epochs", default=40),
        whole("patience", "training.patience", default=3),
        whole("patience_lr", "training.lr_patience", default=2),
        switch("shuffle_epoch_start", idle="an epoch's windows are drawn and shuffled anew"),
        switch("shuffle_epoch_end", idle="an epoch's windows are drawn and shuffled anew"),
        text("label_transformer", many=True, idle="labels are transformed when they are made (genomewide_labels)"),
        switch("squeeze_input_for_gru", idle="models take the shape that they need"),
        switch("expand_dims", idle="models take the shape that they need; 2-D ones are of their own names"),
        *machine_flags(),
        whole("num_gpus", "compute.gpus: 0 for none, else one if there is one; more: compute.trainers", default=1),
        switch("tensorboard", "training.tensorboard"),
        text("tensorboard_logdir", idle="logs are in the folder of the unit", default="logs"),
        text("trackables", "columns of .log.batch", many=True, default=("loss", "val_loss")),
        *snp_flags(),
    ]


def _bins() -> list[Flag]:
    return [
        *bin_flags(),
        text("hdf5_tasks", "outputs.source: tasks of the label file", many=True),
        file("index_train_path", "labels.train"),
        file("index_valid_path", "labels.valid"),
        text("input_train_path", "inputs: seq, and files of further values", many=True),
        text("input_valid_path", "inputs.valid_file", many=True),
        file("output_train_path", "labels.train", many=True),
        file("output_valid_path", "labels.valid", many=True),
    ]
