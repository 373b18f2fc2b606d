from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from original_commands import INPUTS, OUTPUTS, TRAIN, KnownFiles, changed, given

from kerasac.cli.original.bins import bin_sections
from kerasac.cli.original.experiment import training_translation
from kerasac.cli.original.folds import ChosenFold, fold_there
from kerasac.cli.original.lookups import Lookups
from kerasac.config import make_experiment
from kerasac.errors import ConfigError, StoreError
from kerasac.genome.folds import Fold
from kerasac.models.contract import contract_of
from kerasac.store.labels.table import append_rows, create_table

BINS = (
    "--model_prefix out/bins.0 --ref_fasta genome.fa --input_data_path seq gc.hdf5 --output_data_path labels.hdf5 "
    "--num_inputs 2 --num_outputs 1 --fold 0 --genome hg38 --architecture_spec functional_basset_classification_1D"
)


def document(line: str, parameters: dict[str, str] | None = None) -> dict[str, Any]:
    translation = training_translation(given("kerasAC_train", line), KnownFiles(parameters))
    make_experiment(translation.document, base=Path(), origin="test")
    return translation.document


def remarks(line: str) -> list[str]:
    return list(training_translation(given("kerasAC_train", line), KnownFiles()).remarks)


def test_chipseq_command_is_an_experiment_of_three_inputs():
    made = document(TRAIN, {"filters": "8", "counts_loss_weight": "2.5"})
    assert [track["name"] for track in made["inputs"]] == ["sequence", "control_profile", "control_logcount"]
    assert [track["name"] for track in made["outputs"]] == ["profile_predictions", "logcount_predictions"]
    assert made["outputs"][1] == {
        "name": "logcount_predictions",
        "source": ["count_bigwig_plus_5p", "count_bigwig_minus_5p"],
        "flank": 100,
        "aggregate": "sum",
        "transform": "log",
        "pseudocount": 0.001,
        "min": 4.6,
        "max": 11.5,
    }
    assert made["datasets"] == ["K562"]
    assert made["sampling"]["peaks"] == {"attribute": "overlap_peak", "threshold": 1.0, "ratio": 1.0}
    assert (made["sampling"]["train_size"], made["sampling"]["reverse_complement"]) == (200, True)
    assert made["model"] == {
        "architecture": "bpnet",
        "filters": 8,
        "dilated_layers": 6,
        "first_kernel": 21,
        "profile_kernel": 75,
    }
    assert made["loss"] == {"profile": 1.0, "counts": 2.5}
    assert made["training"] == {"epochs": 40, "batch_size": 50, "patience": 3, "lr_patience": 2}
    assert (made["folds"], made["seeds"], made["name"]) == ({"scheme": "kerasac-10"}, [1234], "K562.1")


def test_no_gpu_is_asked_for_with_zero_alone():
    assert document(f"{TRAIN} --num_gpus 0")["compute"] == {"gpus": 0}
    assert "compute" not in document(f"{TRAIN} --num_gpus 4")


def test_fold_is_the_one_of_kerasacs_table():
    chosen = training_translation(given("kerasAC_train", TRAIN), KnownFiles()).chosen
    assert (chosen.fold.index, chosen.fold.test, chosen.fold.valid) == (1, ("chr2", "chr19"), ("chr1",))


def test_named_chromosomes_leave_the_rest_to_test_on():
    line = changed(TRAIN, fold=None, genome=None, train_chroms="chr1", validation_chroms="chr3")
    chosen = training_translation(given("kerasAC_train", line), KnownFiles()).chosen
    assert (chosen.scheme, chosen.fold.train, chosen.fold.valid, chosen.fold.test) == (
        None,
        ("chr1",),
        ("chr3",),
        ("chr2",),
    )


def test_later_names_of_datasets_are_the_same_experiment():
    plain = document(TRAIN)
    later = changed(
        TRAIN,
        tasks=None,
        tdb_input_datasets="seq K562,K562 K562,K562",
        tdb_output_datasets="K562,K562 K562,K562",
        tdb_partition_datasets_for_upsample="K562",
    )
    assert document(later) == plain


def test_a_dataset_of_its_own_stays_with_its_track():
    line = changed(TRAIN, tdb_input_datasets="seq GM12878,GM12878 GM12878")
    made = document(line)
    assert made["datasets"] == ["K562"]
    assert [track.get("dataset") for track in made["inputs"]] == [None, ["GM12878"], ["GM12878"]]
    assert "dataset" not in made["outputs"][0]


@pytest.mark.parametrize(("peaks", "tracks"), [("GM12878", "K562"), ("GM12878,K562", "GM12878"), ("K562", "K562")])
def test_peaks_may_be_those_of_other_datasets_than_the_tracks(peaks: str, tracks: str):
    made = document(changed(TRAIN, tasks=tracks, tdb_partition_datasets_for_upsample=peaks))
    experiment = make_experiment(made, base=Path(), origin="test")
    assert sorted(experiment.datasets) == sorted(peaks.split(","))
    read = [experiment.track_datasets(track) for track in (*experiment.inputs[1:], *experiment.outputs)]
    assert read == [(tracks,)] * 4


def test_datasets_have_the_order_of_the_array_as_in_kerasac():
    assert document(changed(TRAIN, tasks="GM12878 K562", num_tasks="4"))["datasets"] == ["K562", "GM12878"]


def test_where_the_array_is_not_there_the_order_is_left_and_said():
    class NoArray(KnownFiles):
        def datasets(self, store: Path) -> tuple[str, ...]:
            raise StoreError(f"{store} is not a TileDB array")

    line = changed(TRAIN, tasks="GM12878 K562", num_tasks="4")
    made = training_translation(given("kerasAC_train", line), NoArray())
    assert made.document["datasets"] == ["GM12878", "K562"]
    assert any("put 'datasets' (and 'dataset') into that order" in line for line in made.remarks)


def test_channels_of_several_tasks_are_by_attribute_as_in_kerasac():
    made = document(changed(TRAIN, tasks="GM12878 K562", num_tasks="4"))
    experiment = make_experiment(made, base=Path(), origin="test")
    plus, minus = (f"count_bigwig_{strand}_5p" for strand in ("plus", "minus"))
    channels = [("K562", plus), ("GM12878", plus), ("K562", minus), ("GM12878", minus)]
    for output in experiment.outputs:
        assert list(experiment.channels(output)) == channels
    assert contract_of(experiment).outputs[0].tasks == tuple(f"{dataset}.{name}" for dataset, name in channels)


def test_channels_may_pair_datasets_and_attributes():
    """As kerasAC's examples/tiledb_workflow_example/interpret.sh does."""
    names = "count_bigwig_plus_5p,count_bigwig_minus_5p,count_bigwig_unstranded_5p"
    line = changed(
        TRAIN,
        tasks=None,
        num_tasks="3",
        tdb_output_datasets="K562,K562,GM12878 K562,K562,GM12878",
        tdb_output_source_attribute=f"{names} {names}",
        tdb_input_datasets="seq K562,K562 K562,K562",
        tdb_partition_datasets_for_upsample="K562",
    )
    experiment = make_experiment(document(line), base=Path(), origin="test")
    expected = list(zip(["K562", "K562", "GM12878"], names.split(","), strict=True))
    assert [list(experiment.channels(output)) for output in experiment.outputs] == [expected, expected]


def test_without_names_all_datasets_of_the_array_are_read_as_in_kerasac():
    line = changed(TRAIN, tasks=None, num_tasks="4")
    assert document(line)["datasets"] == ["K562", "GM12878"]
    assert document(changed(line, task_indices="1", num_tasks="2"))["datasets"] == ["GM12878"]


def test_values_by_channel_are_as_good_as_one_for_all():
    by_channel = changed(
        TRAIN,
        tdb_output_flank="100,100 100,100",
        tdb_output_aggregation="None,None sum,sum",
        tdb_output_transformation="None,None log,log",
    )
    assert document(by_channel) == document(TRAIN)


def test_regions_are_each_taken_once_unless_a_size_is_given():
    regions = changed(
        TRAIN,
        tdb_partition_attribute_for_upsample=None,
        upsample_ratio_list_train=None,
        num_train=None,
        num_valid=None,
        bed_regions="peaks.bed",
        bed_regions_center="random",
        bed_regions_jitter="5",
    )
    made = document(regions)
    assert made["sampling"]["regions"] == {"bed": "peaks.bed", "center": "random"}
    assert "train_size" not in made["sampling"]
    assert document(f"{regions} --num_train 7")["sampling"]["train_size"] == 7
    assert any("every epoch draws a new base" in line for line in remarks(regions))


def test_validation_has_the_share_of_training_and_it_is_said():
    assert remarks(TRAIN) == []
    assert any(
        "--upsample_ratio_list_eval (0.5)" in line for line in remarks(changed(TRAIN, upsample_ratio_list_eval="0.5"))
    )


def test_bins_have_the_width_of_their_file():
    made = document(BINS)
    assert made["inputs"] == [
        {"name": "sequence", "source": "seq", "flank": 500},
        {"name": "values", "source": ["gc"], "file": "gc.hdf5"},
    ]
    assert made["outputs"] == [{"name": "labels", "source": ["A", "B"], "kind": "classification"}]
    assert (made["labels"], made["model"]["architecture"]) == ({"train": "labels.hdf5"}, "basset")


def test_columns_of_each_file_are_named_by_its_place():
    made = document(f"{BINS} --tasks A gc")
    assert (made["outputs"][0]["source"], made["inputs"][1]["source"]) == (["A"], ["gc"])


@pytest.mark.parametrize("tasks", ["A B", "A,B", "B A", "A,B gc"])
@pytest.mark.parametrize("command", ["kerasAC_train", "kerasAC_cross_validate"])
def test_tasks_of_bins_may_have_spaces_or_commas_between_them(command: str, tasks: str):
    line = f"{changed(BINS, num_inputs=None, fold=None, genome='hg38')} --tasks {tasks} --num_tasks 2"
    chosen = ChosenFold(Fold(0, ("chr1",), ("chr2",), ("chr3",)), "kerasac-10")
    made = training_translation(given(command, line), KnownFiles(), chosen=chosen).document
    assert made["outputs"][0]["source"] == tasks.removesuffix(" gc").replace(",", " ").split()
    assert made["inputs"][1]["source"] == ["gc"]


def test_tasks_that_are_predicted_may_have_spaces_between_them():
    line = "--output_data_path labels.hdf5 --input_data_path gc.hdf5 seq --tasks A B"
    sections, _ = bin_sections(given("kerasAC_predict_hdf5", line), "classification", Path(), KnownFiles())
    assert (sections["outputs"][0]["source"], sections["inputs"][0]["source"]) == (["A", "B"], ["gc"])


def test_a_task_that_the_labels_lack_names_the_nearest():
    with pytest.raises(ConfigError, match=r"labels\.hdf5 has no task 'AA'; did you mean 'A'"):
        document(f"{BINS} --tasks AA")


def test_a_share_of_positive_bins_needs_no_thresholds():
    made = document(f"{BINS} --train_upsample 0.3 --valid_upsample 0.01")
    assert made["sampling"]["bins"] == {"thresholds": [1.0], "ratios": [0.3], "valid_ratios": [0.01]}
    assert document(f"{BINS} --train_upsample 0.3")["sampling"]["bins"] == {"thresholds": [1.0], "ratios": [0.3]}
    assert any("--train_upsample 0.3" in line for line in remarks(f"{BINS} --train_upsample 0.3"))
    for flags in ("--valid_upsample 0.01", "--upsample_ratio_list_train 0.3 0.2"):
        with pytest.raises(ConfigError, match="give --train_upsample one"):
            document(f"{BINS} {flags}")


@pytest.mark.parametrize(("classes", "kind"), [(True, "classification"), (False, "regression")])
def test_labels_say_what_an_architecture_of_a_file_is_trained_for(classes: bool, kind: str):
    line = changed(BINS, architecture_spec=None, architecture_from_file="own.py")
    made = training_translation(given("kerasAC_train", line), KnownFiles(classes=classes))
    assert made.document["outputs"][0]["kind"] == kind
    assert any(f"--architecture_from_file: a {kind}, as the labels of labels.hdf5" in line for line in made.remarks)


def test_labels_that_are_no_classes_are_not_classified():
    with pytest.raises(ConfigError, match="take a regression: functional_regression, "):
        training_translation(given("kerasAC_train", BINS), KnownFiles(classes=False))
    line = changed(BINS, architecture_spec="functional_basset_regression_1D")
    made = training_translation(given("kerasAC_train", line), KnownFiles(classes=False)).document
    assert made["outputs"][0]["kind"] == "regression"


@pytest.mark.parametrize("ending", ["tsv", "hdf5"])
def test_labels_other_than_classes_are_seen(tmp_path: Path, ending: str):
    path = tmp_path / f"labels.{ending}"
    labels = {"A": [0, 1, np.nan], "B": 0.5, "C": [0, 1, -1]}  # -1: ambiguous in old files
    table = pd.DataFrame({"CHR": "chr1", "START": [0, 50, 100], "END": [50, 100, 150], **labels})
    if ending == "tsv":
        table.to_csv(path, sep="\t", index=False)
    else:
        values = table[[*labels]].to_numpy(np.float32)
        chrom, start, end = (table[name].to_numpy() for name in ("CHR", "START", "END"))
        with create_table(path, [*labels], ["chr1"], {}) as file:
            append_rows(file, chrom.astype("S"), start, end, values)
    assert Lookups().are_classes(path, ["A", "C"])
    assert not Lookups().are_classes(path, ["B"])


def test_shares_of_bins_are_those_of_the_parts_above_the_first():
    line = f"{BINS} --upsample_thresh_list_train 0 0.01 1 --upsample_ratio_list_train 0.7 0.2"
    assert document(line)["sampling"]["bins"] == {"thresholds": [0.01, 1.0], "ratios": [0.2, 0.1]}
    both = f"{line} --upsample_thresh_list_eval 0 0.01 1 --upsample_ratio_list_eval 0.98 0.01"
    assert document(both)["sampling"]["bins"]["valid_ratios"] == [0.01, 0.01]


def test_two_dimensional_architectures_have_their_layout():
    made = document(changed(BINS, architecture_spec="functional_basset_regression"))
    assert (made["model"], made["outputs"][0]["kind"]) == ({"architecture": "basset", "layout": "2d"}, "regression")


def test_weights_by_class_and_initial_weights_have_their_places():
    made = document(f"{BINS} --weighted --init_weights encode.npz")
    assert made["loss"] == {"class_weights": "auto"}
    assert made["model"]["initial_weights"] == "encode.npz"
    assert document(f"{TRAIN} --load_model_hdf5 old.hdf5")["training"]["initialize"] == "old.hdf5"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (changed(TRAIN, num_inputs="2"), "--num_inputs is 2, but --tdb_input_source_attribute names 3"),
        (changed(TRAIN, tdb_input_flank="300 100"), "--tdb_input_flank has 2 values for 3 inputs"),
        (changed(TRAIN, tdb_output_flank="100,200 100"), "the channels of output 1 have 100, 200"),
        (changed(TRAIN, tdb_output_aggregation="None total"), "'total' is no aggregation"),
        (changed(TRAIN, tdb_input_min="None 1 None"), "inputs have no range here"),
        (
            changed(TRAIN, tdb_output_source_attribute="a,a b,c"),
            r"the channels of output 1 \(a, a\) repeat; name each once",
        ),
        (changed(TRAIN, num_tasks="3"), "--num_tasks is 3, but output profile_predictions has 2 channels"),
        (changed(TRAIN, fold=None), "give --fold and --genome"),
        (changed(TRAIN, fold="10"), "none of kerasAC's folds 0 to 9"),
        (changed(TRAIN, upsample_ratio_list_train="0"), "no peaks are named"),
        (changed(TRAIN, architecture_spec="profile_bpnet_chipsec"), "did you mean 'profile_bpnet_chipseq'"),
        (changed(TRAIN, architecture_spec="functional_basset_regression"), "needs --output_data_path"),
        (changed(TRAIN, architecture_spec="profile_bpnet_chipseq_neg_binomial"), "is not offered"),
        (changed(TRAIN, tdb_array=None), "needs --tdb_array, or labels of bins"),
        (changed(TRAIN, tdb_array=None, output_data_path="l.hdf5"), "profile_bpnet_chipseq needs --tdb_array"),
        (f"{BINS} --index_data_path other.hdf5", "cut the file"),
        (f"{BINS} --upsample_thresh_list_train 0 1 --upsample_ratio_list_train 0.5 0.5", "it has one less"),
    ],
)
def test_what_has_no_counterpart_is_an_error_that_names_it(line: str, said: str):
    with pytest.raises(ConfigError, match=said):
        document(line)


def test_unknown_parameter_names_the_nearest():
    with pytest.raises(ConfigError, match="'filter', which is no parameter of kerasAC; did you mean 'filters'"):
        document(TRAIN, {"filter": "8"})


def test_bias_needs_its_model():
    line = changed(TRAIN, architecture_spec="profile_bpnet_dnase_with_bias")
    with pytest.raises(ConfigError, match="pretrained_bias_model"):
        document(line)
    made = document(line, {"pretrained_bias_model": "bias.keras"})
    assert made["bias"] == {"model_file": "bias.keras", "form": "mixed"}
    assert (made["model"]["filters"], made["model"]["dilated_layers"]) == (500, 8)


def test_a_single_input_needs_no_lists():
    line = f"{changed(TRAIN, num_inputs=None, architecture_spec='profile_bpnet_dnase')}"
    for name in ("source_attribute", "flank", "aggregation", "transformation", "min", "max"):
        line = changed(line, **{f"tdb_input_{name}": {"source_attribute": "seq", "flank": "673"}.get(name, "None")})
    assert document(line)["inputs"] == [{"name": "sequence", "source": "seq", "flank": 673}]


def test_constants_of_these_tests_are_whole_commands():
    assert "seq" in INPUTS
    assert "sum" in OUTPUTS


def test_tasks_may_have_commas_between_them():
    assert document(changed(TRAIN, tasks="K562,GM12878", num_tasks="4"))["datasets"] == ["K562", "GM12878"]


def test_weights_of_a_checkpoint_begin_the_training():
    line = changed(BINS, model_prefix="out/bins", fold=None, genome="hg38", from_checkpoint_weights="old.hdf5")
    chosen = ChosenFold(Fold(0, ("chr1",), ("chr2",), ("chr3",)), "kerasac-10")
    made = training_translation(given("kerasAC_cross_validate", line), KnownFiles(), chosen=chosen).document
    assert made["training"]["initialize"] == "old.hdf5"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"index_valid_path": "other.hdf5", "output_valid_path": "valid.hdf5"},
            "other.hdf5 chooses bins of valid.hdf5",
        ),
        ({"num_outputs": "2"}, "models of bins have one output here"),
    ],
)
def test_what_bins_cannot_be_is_refused(flags: dict[str, str], said: str):
    with pytest.raises(ConfigError, match=said):
        document(changed(BINS, **flags))


def test_fold_has_the_chromosomes_that_are_there():
    chosen = training_translation(given("kerasAC_train", TRAIN), KnownFiles()).chosen
    fold = fold_there(chosen, ("chr1", "chr2", "chr3"))
    assert (fold.train, fold.valid, fold.test) == (("chr3",), ("chr1",), ("chr2",))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"fold": "0"},
            "kerasAC's fold 0 has the valid chromosomes chr8, chr10; the data have chr1, .* another fold",
        ),
        (
            {"fold": None, "genome": None, "train_chroms": "chr1 chr9", "validation_chroms": "chr2"},
            "--train_chroms: the data have no chr9; there are chr1, chr2, chr3",
        ),
    ],
)
def test_chromosomes_that_are_not_there_are_named_with_the_flag(flags: dict[str, str | None], said: str):
    chosen = training_translation(given("kerasAC_train", changed(TRAIN, **flags)), KnownFiles()).chosen
    with pytest.raises(ConfigError, match=said):
        fold_there(chosen, ("chr1", "chr2", "chr3"))
