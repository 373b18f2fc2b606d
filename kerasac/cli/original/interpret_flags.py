"""The flags of kerasAC's commands that interpret models."""

from __future__ import annotations

from kerasac.cli.original.flags import Flag, file, number, switch, text, whole
from kerasac.cli.original.shared_flags import machine_flags, model_file_flags, track_flags

_BATCH = "contributions do not depend on it"
_VARIANTS = "`kerasac-ray variants` scores variants"
_LAYER = "counts, profile shapes, values, and of classes their logits are explained"


def shap_wrapper_flags() -> tuple[Flag, ...]:
    """Return the flags of kerasAC_bpnet_shap_wrapper."""
    return (
        file("ref_fasta", "genome.fasta"),
        *model_file_flags(),
        file("bed_regions", "--regions"),
        text("bed_regions_center", "--center", choices=("summit", "center")),
        *track_flags(),
        text("chrom_sizes", idle="the array keeps the sizes of its chromosomes"),
        text("out_pickle", "--out: prefix of .counts.h5, .profile.h5 and .predictions", also=("out_prefix",)),
        whole("task_index", "--tasks, by number; all together where it is not given"),
        *(switch(name, idle="a model's file says which inputs it has") for name in ("chipseq", "tfchipseq")),
        whole("batch_size", idle=_BATCH),
        whole("num_threads", idle="workers are as many as help", also=("upsample_threads",)),
        text("tdb_ambig_attribute", idle="regions are explained as they are"),
    )


def interpret_flags() -> tuple[Flag, ...]:
    """Return the flags of kerasAC_interpret."""
    return (
        text("output_npz_file", "the .npz file to write"),
        text("generator_type", "basic", choices=("basic", "snp"), default="basic"),
        text("interp_method", "METHOD", choices=("ism", "input_grad", "deeplift", "deepshap"), default="deepshap"),
        *model_file_flags(),
        text("architecture_from_file", refused="name a trained model with --load_model_hdf5"),
        file("input_bed_file", "--regions"),
        file("ref_fasta", "--fasta"),
        whole("flank", "checked: half of the model's input", default=500),
        switch("center_on_summit", "--center summit"),
        switch("center_on_bed_interval", "--center center, the default"),
        switch("compute_gc", refused="a model of sequence alone is explained"),
        *(text(name, refused=_VARIANTS) for name in ("chrom_col", "pos_col", "ref_col", "alt_col", "rsid_col")),
        whole("target_layer", idle=_LAYER),
        whole("task_index", "--tasks, by number", default=0),
        whole("input_index_to_interpret", idle="the sequence is explained", default=0),
        text("deepshap_reference", "--reference shuffled", choices=("shuffled_ref",)),
        whole("deepshap_num_refs_per_seq", "--references", default=10),
        text("deeplift_reference", "--reference", choices=("shuffled_ref", "gc_ref", "zero_ref")),
        whole("deeplift_num_refs_per_seq", "--references", default=10),
        switch("sequential", idle="models are rebuilt from their file, whatever they are"),
        whole("batch_size", idle=_BATCH, default=1000),
        *(flag for flag in machine_flags() if flag.name in ("threads", "max_queue_size")),
    )


FORM_MODISCO_INPUTS = (
    file("load_model_hdf5", "the model", also=("model_hdf5",)),
    file("peak_file", "--regions, at their summits"),
    whole("npeaks_to_sample", "so many of them, drawn once", default=30_000),
    text("out_prefix", "--out, with --layout kerasac"),
    file("ref_fasta", "--fasta"),
    whole("flank_size", "checked: half of the model's input", default=500),
    switch("dinuc_shuffle_input", refused="`kerasac-ray interpret scramble` compares windows with shuffled ones"),
    text("chrom_sizes", idle="the FASTA has the sizes of its chromosomes"),
    whole("batch_size", idle=_BATCH, default=100),
)

BIGWIGS_FROM_DEEPSHAP = (
    text(
        "path_to_pickle",
        "prefix of .counts.h5 and .profile.h5, as kerasAC_bpnet_shap_wrapper writes them; or a pickle of kerasAC's",
    ),
    text(
        "output_dir", "folder of <name>.shap_count.bw and .shap_profile.bw; of a pickle .counts.h5 and .profile.h5 too"
    ),
    file("chrom_sizes", "--chrom-sizes; needed with a pickle", also=("chrom_sizes_file", "chromsizes")),
)

PLOT_INTERPRETATION = (
    file("input_bigwig", "--contributions"),
    text("chrom", "chromosomes of the places", many=True),
    whole("startpos", "their first bases, from 0", many=True),
    whole("endpos", "the bases after their last ones", many=True),
    text("outf", "file to write; with several places, its name with the place"),
    file("ref", "--fasta"),
    number("outf_width", idle="figures are as wide as their places"),
    number("outf_length", idle="figures are as wide as their places"),
)
