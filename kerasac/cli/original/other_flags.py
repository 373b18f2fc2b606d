"""The flags of the commands that neither train nor predict."""

from __future__ import annotations

from kerasac.cli.original.flags import file, number, switch, text, whole

APPROACHES = (
    "peak_summit_in_bin_classification",
    "peak_percent_overlap_with_bin_classification",
    "peak_summit_in_bin_regression",
    "peak_percent_overlap_with_bin_regression",
    "all_genome_bins_regression",
)
SUMMARY_COLUMNS = (
    "Pearson",
    "Spearman",
    "MSE",
    "PseudorepPearson",
    "PseudorepSpearman",
    "MeanJSD",
    "StdJSD",
    "MeanPseudorepJSD",
    "StdPseudorepJSD",
    "MeanMNNLL",
    "StdMNNLL",
)

LOSS_WEIGHTS = (
    file("tdb_array", "--store"),
    text("chroms", "--chroms", many=True),
    text("ambig_attribute", "--ambiguous"),
    text("upsample_attribute", "--peaks"),
    text("label_attribute", "--counts"),
    number("upsample_thresh", "--threshold"),
    text("task", "--dataset", also=("dataset",)),
    whole("task_index", "--dataset, by its number in the array", also=("dataset_index",)),
    whole("flank", "--flank", default=500),
    number("label_min", "--min-log-counts", also=("tdb_output_min", "min_logcount")),
    number("label_max", "--max-log-counts", also=("tdb_output_max", "max_logcount")),
    whole("sample_size", refused="windows are those of peaks: name their attribute with --upsample_attribute"),
    whole("num_threads", idle="chromosomes are read by as many threads as help", default=1),
)

SCORE_BPNET = (
    file("predictions", "the file"),
    text("losses", "checked: profile counts, the order of the outputs", many=True, default=("profile", "counts")),
    text("outf", "prefix of .<task>.summary.txt, .<task>.jsd.txt and figures"),
    text("title", "first column of the summary, and title of figures", default=""),
    text("pseudoreps", "--pseudoreplicates: two bigWigs with a comma between, for each task", many=True),
    whole("flank", idle="pseudoreplicates are read in the windows of the file", default=500),
    number("label_min_to_score", "--min-log-counts"),
    number("label_max_to_score", "--max-log-counts"),
    whole("num_tasks", "checked against the file"),
    switch("smooth_observed_profile", "--smooth-observed 7,81"),
    switch("smooth_predicted_profile", "--smooth-predicted 7,81"),
    switch("smooth_preps", "pseudoreplicates are smoothed with the observed profile"),
    text("labels", refused="of files with labels beside: score them with their own version, or predict again"),
    text("loss_suffixes", many=True, refused="of files with labels beside: predict again"),
)

SCORE = (
    file("labels_hdf5", "tables of labels, one an output", many=True),
    file("predictions_hdf5", "tables of predictions, one an output", many=True),
    text("performance_metrics_classification_file", "--kind classification, and the files to write", many=True),
    text("performance_metrics_regression_file", "--kind regression, and the files to write", many=True),
    text("performance_metrics_profile_file", many=True, refused="score profiles with kerasAC_score_bpnet"),
    text("tasks", "names of the columns; given once for each output", many=True, repeated=True),
    whole("sample_N", refused="all bins are scored; it takes seconds"),
    whole("chunk_size", idle="tables are read whole"),
    text(
        "predictions_pickle_to_load",
        refused="pickles run code of their file; name tables with --labels_hdf5 and --predictions_hdf5",
    ),
)

CALIBRATE = (
    file("preacts", "table of logits or values, as kerasAC_predict_hdf5 writes them to calibrate"),
    file("labels", "table of labels"),
    text("outf", "table of calibrated predictions to write"),
    switch("calibrate_classification", "Platt scaling of logits"),
    switch("calibrate_regression", "isotonic regression of values"),
    text("model", idle="the table holds what is fitted"),
)

CURVES = (
    file("labels_hdf5", "tables of labels, one a source", many=True),
    file("predictions_hdf5", "tables of predictions, one a source", many=True),
    text("tasks", "--task", many=True),
    text("names", "--name: names of the sources in the legend", many=True),
    text("title", "--title", default=""),
    text("outf", "--out: figure to write", also=("out",)),
)

BIGWIGS = (
    file("predictions_hdf", "the file of predictions", also=("predictions_hdf5", "predictions")),
    text("out_prefix", "--out", also=("outf",)),
    file("chrom_sizes_file", "--chrom-sizes", also=("chrom_sizes",)),
)

SUMMARIES = (
    file("summary_stats_file", "the table: File, and columns that say what each is of"),
    text("performance_fields", "columns to take", many=True, default=SUMMARY_COLUMNS),
    text("out", "table to write", also=("outf",)),
)

DB_INGEST = (
    file("tiledb_metadata", "the metadata table"),
    text("array_name", "--out"),
    text(
        "attribute_config",
        "--attributes: a built-in set",
        choices=("encode_pipeline", "encode_pipeline_with_controls", "generic_bigwig"),
    ),
    file("attribute_config_file", "--attributes"),
    file("chrom_sizes", "--chrom-sizes"),
    switch("overwrite", "--add --overwrite: attributes that the array has are written anew"),
    whole("coord_tile_size", idle="tiles are of 4,096 bases", default=10_000),
    whole("task_tile_size", idle="tiles are of one dataset", default=1),
    whole("write_chunk", idle="partitions are sized by memory", default=30_000_000),
    whole("threads", idle="as many threads or workers write as help", default=1),
    whole("max_queue_size", idle="there is no queue", default=30),
    whole("max_mem_g", idle="a partition takes 256 MB", default=100),
)

GENOMEWIDE_LABELS = (
    file("task_list", "the table of tasks"),
    text("task_list_sep", idle="the table has tabs", default="\\t"),
    text("outf", "--out"),
    text("output_type", "--output-type", default="gzip", choices=("gzip", "hdf5", "pkl", "bz2")),
    switch("split_output_by_chrom", "--split-output-by-chrom"),
    switch("split_output_by_task", "--split-output-by-task"),
    file("chrom_sizes", "--chrom-sizes"),
    text("chroms_to_keep", "--chroms-to-keep", many=True),
    text("chroms_to_exclude", "--chroms-to-exclude", many=True),
    whole("bin_stride", "--bin-stride", default=50),
    whole("left_flank", "--left-flank", default=400),
    whole("right_flank", "--right-flank", default=400),
    whole("bin_size", "--bin-size", default=200),
    text("bigwig_stats", "--bigwig-stats", default="mean", choices=("mean", "min", "max", "coverage", "std")),
    number("overlap_thresh", "--overlap-thresh", default=0.5),
    switch("allow_ambiguous", "--allow-ambiguous"),
    switch("store_positives_only", "--store-positives-only"),
    number("store_values_above_thresh", "--store-values-above-thresh"),
    text("labeling_approach", "--labeling-approach", choices=APPROACHES),
    text("label_transformer", "--label-transformer", default="asinh"),
    number("label_transformer_pseudocount", "--label-transformer-pseudocount", default=0.001),
    whole("task_threads", idle="chromosomes are labelled by as many threads or workers as help", default=1),
    whole("chrom_threads", idle="chromosomes are labelled by as many threads or workers as help", default=4),
    text("temp_dir", idle="nothing is written but the output", default="/tmp"),
    switch("save_label_source", refused="labels do not say which peak they are of; intersect the peaks with the bins"),
)
