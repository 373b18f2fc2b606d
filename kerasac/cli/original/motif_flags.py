"""The flags of kerasAC's commands of motifs."""

from __future__ import annotations

from kerasac.cli.original.flags import file, number, text, whole

RUN_MODISCO = (
    file("hyp_imp", "hypothetical contributions, a NumPy array (N, L, 4)"),
    text("imp", idle="hypothetical contributions of the bases that are there are the same"),
    file("onehot", "the sequences, (N, L, 4)"),
    text("outfile", "HDF5 of modisco-lite, for --patterns"),
    whole("cores", "--threads"),
    whole("seqlets", "--max-seqlets", default=20_000),
)

TRIM_MODISCO = (
    file("modisco_hits", "--patterns"),
    number("trim_thresh", "--trim", default=0.45),
    whole("trim_extend", "--trim-flank", default=1),
)

TOMTOM_SCAN = (
    file("modisco_h5py", "--patterns", short="m"),
    text("outfile", "table of the positive patterns and the known motifs that they resemble", short="o"),
    file("meme_motif_db", "--database", short="d"),
    whole("top_n_matches", "--matches", short="n", default=3),
    text("tomtom_exec", short="tt", idle="the package memelite compares motifs"),
    number("trim_threshold", "--trim, with --trim-flank 0", short="th", default=0.45),
    whole("trim_min_length", short="tm", idle="nor in the original"),
    number("q_threshold", "matches above it are left empty", short="q", default=0.1),
)

AGGREGATE_TOMTOM = (
    file("tomtom_results", "table of kerasAC_tomtom_scan_modisco"),
    file("modisco_meme_file_dir", "folder of its .txt files"),
    text("outf", "MEME file of the patterns that resemble a known motif"),
)

PLOT_MOTIFS = (
    file("motif_file_dir", "folder of matrices, four lines A C G T of probabilities each"),
    text("out_dir", "folder of figures, <file>.png"),
)

HTML_MODISCO = (
    text("motif_dir", idle="logos are linked by --html_prefix_motif_ref_pngs"),
    file("tomtom_hits_file", "table of kerasAC_tomtom_scan_modisco"),
    file("modisco_plots_folder", "folder of the figures of kerasAC_trim_modisco"),
    text("html_prefix_motif_ref_pngs", "where the page finds logos of known motifs"),
    text("html_prefix_modisco_pngs", "where the page finds those figures"),
    text("outf", "the page"),
    whole("max_tomtom_hits", "--matches", default=5),
)
