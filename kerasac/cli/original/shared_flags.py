"""Flags that several commands of kerasAC have, each declared once."""

from __future__ import annotations

from kerasac.cli.original.flags import Flag, file, number, switch, text, whole

_CHANNELS = "spaces between {0}s, commas between the channels of one; one value is spread over its channels"
_NO_SNP = "individual genomes are not trained or predicted on; `kerasac-ray variants` scores variants"
_OLD_GENERATOR = (
    "an array a task and chromosome is of old versions; ingest into one array (db_ingest), name it with --tdb_array"
)
_BATCHES = "predictions do not depend on it"


def track_flags() -> list[Flag]:
    """Return the flags that say what goes in and comes out."""
    flags = [file("tdb_array", "store")]
    for side in ("input", "output"):
        said = _CHANNELS.format(side)
        flags += [
            text(f"tdb_{side}_source_attribute", f"{side}s.source; {said}", many=True),
            text(f"tdb_{side}_datasets", f"{side}s.dataset; {said}", many=True),
            text(f"tdb_{side}_flank", f"{side}s.flank; {said}", many=True),
            text(
                f"tdb_{side}_aggregation", f"{side}s.aggregate: None, sum, average (avg), max or binary_max", many=True
            ),
            text(
                f"tdb_{side}_transformation",
                f"{side}s.transform: None, log, log10, asinh or counts_to_logit",
                many=True,
            ),
        ]
    return [
        *flags,
        text("tdb_input_min", "None: inputs have no range", many=True),
        text("tdb_input_max", "None: inputs have no range", many=True),
        text("tdb_output_min", "outputs.min: windows below it are left out; None for no bound", many=True),
        text("tdb_output_max", "outputs.max: windows above it are left out; None for no bound", many=True),
        number(
            "tdb_transformation_pseudocount",
            "pseudocount of all inputs and outputs",
            default=0.001,
            also=("tdb_pseudocount",),
        ),
        text(
            "tasks",
            "datasets: of every source that names none",
            many=True,
            also=("datasets",),
        ),
        text("task_indices", "datasets, by their number in the array", many=True, also=("dataset_indices",)),
        whole("num_inputs", "checked against the number of input sources"),
        whole("num_outputs", "checked against the number of output sources"),
        text("tdb_indexer", refused=_OLD_GENERATOR),
        text("tdb_inputs", many=True, refused=_OLD_GENERATOR),
        text("tdb_outputs", many=True, refused=_OLD_GENERATOR),
    ]


def peak_flags(*, attribute: str | None = None, threshold: float | None = None) -> list[Flag]:
    """Return the flags of setting 1, positions of an attribute, with these defaults."""
    return [
        text("tdb_partition_attribute_for_upsample", "sampling.peaks.attribute", default=attribute),
        number("tdb_partition_thresh_for_upsample", "sampling.peaks.threshold", default=threshold),
        text("tdb_partition_datasets_for_upsample", "datasets: whose peaks are looked for", many=True),
        text("tdb_ambig_attribute", "sampling.ambiguous"),
        whole("upsample_threads", idle="positions are found by as many threads or workers as help", default=1),
    ]


def bin_flags() -> list[Flag]:
    """Return the flags that name files of labelled bins, of training and of prediction."""
    return [
        file("index_data_path", "labels: which bins there are; the output's file where none is given"),
        text("index_tasks", "checked: the tasks that the bins are chosen by", many=True),
        text("input_data_path", "inputs: seq, and files of further values", many=True),
        file("output_data_path", "labels: seqdataloader's file", many=True),
    ]


def model_file_flags() -> list[Flag]:
    """Return the flags that name a saved model."""
    return [
        file(
            "load_model_hdf5",
            "the model: .hdf5 of kerasAC or of kerasAC_train, chrombpnet's .h5, or .keras",
            also=("model_hdf5",),
        ),
        file("weights", "weights of the architecture that --json names"),
        file("json", "the model's architecture, as .arch", also=("json_string",)),
        text("yaml", refused="Keras no longer reads models in YAML; name the .hdf5, or the .arch with --json"),
        switch("functional", idle="models are rebuilt from their file, whatever they are"),
        switch("squeeze_input_for_gru", idle="a model's file says the shape of its input"),
        switch("expand_dims", idle="a model's file says the shape of its input"),
        *class_weight_flags(idle="a prediction does not depend on the weights of a loss"),
        whole("num_gpus", idle="GPUs that there are do the work, one a worker", default=1),
    ]


def class_weight_flags(*, idle: str = "") -> list[Flag]:
    """Return the flags of weights of classes."""
    refused = "" if idle else "put both in a file, a row a task of w1 and w0, and name it with --w1_w0_file"
    return [
        number("w1", many=True, idle=idle, refused=refused),
        number("w0", many=True, idle=idle, refused=refused),
        file("w1_w0_file", "" if idle else "loss.class_weights", idle=idle),
    ]


def snp_flags() -> list[Flag]:
    """Return the flags of kerasAC's generators of variants."""
    return [
        text("vcf_file", refused=_NO_SNP),
        switch("global_vcf", refused=_NO_SNP),
        text("variant_bed", refused=_NO_SNP),
        text(
            "background_freqs",
            idle="no reference of base frequencies is used",
        ),
        whole("flank", idle="windows are as wide as --tdb_input_flank, or as the bins", default=500),
        whole("mask", idle="nothing is masked", default=10),
        whole("ref_col", idle="it is of variants"),
        whole("alt_col", idle="it is of variants"),
    ]


def machine_flags() -> list[Flag]:
    """Return the flags of queues and processes."""
    return [
        whole("threads", idle="windows are read by as many threads as help", default=1),
        whole("max_queue_size", idle="there is no such queue", default=100),
        switch("use_multiprocessing", idle="there are no generator processes", any_word=True),
        switch("multi_gpu", idle="GPUs that there are do the work"),
    ]


def batch_size_flag() -> Flag:
    """Return the batch size of a prediction."""
    return whole("batch_size", idle=_BATCHES, default=50)
