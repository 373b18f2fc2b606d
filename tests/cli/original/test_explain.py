from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyBigWig
import pytest
from original_commands import given
from rich.console import Console

from kerasac.cli.original.explain import interpret, plot_interpretation
from kerasac.errors import ConfigError

pytestmark = pytest.mark.keras
Run = Callable[..., int]
SEQUENCE = (
    "--tdb_input_source_attribute seq --tdb_input_flank 100 --tdb_input_aggregation None "
    "--tdb_input_transformation None --num_inputs 1 --tdb_output_source_attribute plus plus --tdb_output_flank 30 30 "
    "--tdb_output_aggregation None sum --tdb_output_transformation None log --num_outputs 2"
)


@pytest.fixture(scope="module")
def peaks(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five peaks of chr2."""
    path = tmp_path_factory.mktemp("peaks") / "five.narrowPeak"
    lines = [line for line in (tiny_folder / "peaks.narrowPeak").read_text().splitlines() if line.startswith("chr2\t")]
    path.write_text("".join(f"{line}\n" for line in lines[2:7]))
    return path


@pytest.fixture(scope="module")
def sequence_model(trained: Any, tmp_path_factory: pytest.TempPathFactory, command: Run) -> Path:
    """A model of accessibility, which takes the sequence alone."""
    prefix = tmp_path_factory.mktemp("dnase") / "dnase"
    line = (
        f"--ref_fasta {trained.data / 'genome.fa'} --tdb_array {trained.data / 'signal.tdb'} --tasks tiny {SEQUENCE} "
        "--tdb_partition_attribute_for_upsample peak --tdb_partition_thresh_for_upsample 1 --fold 1 --genome hg38 "
        "--upsample_ratio_list_train 1.0 --upsample_ratio_list_eval 1.0 --num_train 16 --num_valid 16 --batch_size 16 "
        "--epochs 1 --num_tasks 1 --architecture_spec profile_bpnet_dnase --model_params "
        f"{trained.prefix.parent / 'params.txt'} --model_prefix {prefix}"
    )
    assert command("kerasAC_train", line) == 0
    return prefix.with_name("dnase.hdf5")


def summits(peaks: Path) -> list[int]:
    rows = [line.split("\t") for line in peaks.read_text().splitlines()]
    return [int(row[1]) + int(row[9]) for row in rows]


@pytest.fixture(scope="module")
def explained(trained: Any, peaks: Path, tmp_path_factory: pytest.TempPathFactory, command: Run) -> Path:
    """The prefix of what kerasAC_bpnet_shap_wrapper writes."""
    prefix = tmp_path_factory.mktemp("shap") / "tiny.deepSHAP"
    line = (
        f"{trained.tracks} --model_hdf5 {trained.file('hdf5')} --bed_regions {peaks} --bed_regions_center summit "
        f"--batch_size 200 --out_pickle {prefix} --num_threads 10"
    )
    assert command("kerasAC_bpnet_shap_wrapper", line.replace("--num_inputs 3", "").replace("--num_outputs 2", "")) == 0
    return prefix


def test_regions_have_contributions_and_predictions(explained: Path, peaks: Path) -> None:
    starts = [summit - 100 for summit in summits(peaks)]
    for head in ("counts", "profile"):
        with h5py.File(f"{explained}.{head}.h5") as file:
            assert sorted(file["coords_start"][:].tolist()) == starts
            assert file["hyp_scores"].shape == (5, 200, 4)
            assert file["error"][:].max() < 1e-3
    with h5py.File(f"{explained}.predictions") as file:
        assert [int(place) for place in file["coords"][:, 1]] == summits(peaks)
        assert file["pred_0"].shape == file["lab_0"].shape == (5, 60, 2)


def test_task_index_explains_that_task(
    explained: Path, trained: Any, peaks: Path, tmp_path: Path, command: Run
) -> None:
    line = f"{trained.tracks} --model_hdf5 {trained.file('hdf5')} --bed_regions {peaks} --bed_regions_center summit"
    for place in (0, 1):
        assert (
            command(
                "kerasAC_bpnet_shap_wrapper", f"{line} --task_index={place} --chipseq --out_pickle {tmp_path}/{place}"
            )
            == 0
        )
    found = []
    for prefix in (tmp_path / "0", tmp_path / "1", explained):
        with h5py.File(f"{prefix}.counts.h5") as file:
            found.append(file["hyp_scores"][:])
    assert np.abs(found[0] - found[1]).max() > 1e-4
    np.testing.assert_allclose((found[0] + found[1]) / 2, found[2], atol=1e-5)  # of all tasks, the mean
    with pytest.raises(ConfigError, match="--task_index is 2; the model has the tasks plus, minus"):
        command("kerasAC_bpnet_shap_wrapper", f"{line} --task_index 2 --out_pickle {tmp_path / 'x'}")


def test_bigwigs_hold_the_contributions_of_the_bases(explained: Path, tmp_path: Path, command: Run) -> None:
    assert command("kerasAC_bigwigs_from_deepshap", f"--path_to_pickle {explained} --output_dir {tmp_path / 'w'}") == 0
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == [
        "tiny.deepSHAP.shap_count.bw",
        "tiny.deepSHAP.shap_profile.bw",
    ]
    with h5py.File(f"{explained}.counts.h5") as file:
        start = int(file["coords_start"][0])
        expected = (file["hyp_scores"][0] * file["input_seqs"][0]).sum(axis=1)
    with pyBigWig.open(str(tmp_path / "w" / "tiny.deepSHAP.shap_count.bw")) as track:
        np.testing.assert_allclose(track.values("chr2", start, start + 50), expected[:50], atol=1e-6)


def test_places_are_drawn_as_letters(explained: Path, tmp_path: Path, trained: Any, peaks: Path, command: Run) -> None:
    command("kerasAC_bigwigs_from_deepshap", f"--path_to_pickle {explained} --output_dir {tmp_path}")
    where = summits(peaks)
    shared = f"--input_bigwig {tmp_path}/tiny.deepSHAP.shap_profile.bw --ref {trained.data / 'genome.fa'}"
    one = f"{shared} --chrom chr2 --startpos {where[0] - 20} --endpos {where[0] + 20} --outf {tmp_path / 'one.png'}"
    assert command("kerasAC_plot_interpretation", one) == 0
    assert (tmp_path / "one.png").stat().st_size > 1000
    two = f"--chrom chr2 chr2 --startpos {where[0]} {where[1]} --endpos {where[0] + 9} {where[1] + 9}"
    assert command("kerasAC_plot_interpretation", f"{shared} {two} --outf {tmp_path / 'two.svg'}") == 0
    assert len(list(tmp_path.glob("two.*.svg"))) == 2


def test_places_and_files_of_figures_are_checked(tmp_path: Path) -> None:
    line = f"--input_bigwig a.bw --ref g.fa --outf {tmp_path / 'a.png'} --chrom chr1 --startpos 1 2 --endpos 5"
    with pytest.raises(ConfigError, match="1 of --chrom, 2 of --startpos, 1 of --endpos"):
        plot_interpretation(given("kerasAC_plot_interpretation", line), Console(quiet=True))
    line = f"--input_bigwig a.bw --ref g.fa --outf {tmp_path / 'a.gif'} --chrom chr1 --startpos 1 --endpos 5"
    with pytest.raises(ConfigError, match=r"ends in \.gif"):
        plot_interpretation(given("kerasAC_plot_interpretation", line), Console(quiet=True))


def test_modisco_inputs_are_arrays_of_whole_windows(
    sequence_model: Path, trained: Any, tmp_path: Path, peaks: Path, command: Run
) -> None:
    line = (
        f"--model_hdf5 {sequence_model} --peak_file {peaks} --npeaks_to_sample 3 --out_prefix {tmp_path / 'm'} "
        f"--ref_fasta {trained.data / 'genome.fa'} --flank_size 100"
    )
    assert command("kerasAC_form_modisco_inputs", line) == 0
    found = {path.name: np.load(path) for path in tmp_path.glob("*.npy")}
    assert set(found) == {f"m.{kind}.{head}.npy" for kind in ("hyp", "observed") for head in ("count", "profile")} | {
        "m.seq.npy"
    }
    assert {array.shape for array in found.values()} == {(3, 200, 4)}
    for head in ("count", "profile"):
        expected = found[f"m.hyp.{head}.npy"] * found["m.seq.npy"]
        np.testing.assert_array_equal(found[f"m.observed.{head}.npy"], expected)


@pytest.mark.parametrize(
    "method", ["ism", "input_grad", "deepshap --deepshap_num_refs_per_seq 2", "deeplift --deeplift_reference zero_ref"]
)
def test_interpret_writes_entries_scores_and_sequence(
    method: str, sequence_model: Path, trained: Any, tmp_path: Path, peaks: Path, command: Run
) -> None:
    line = (
        f"--load_model_hdf5 {sequence_model} --input_bed_file {peaks} --ref_fasta {trained.data / 'genome.fa'} --flank "
        f"100 --center_on_summit --output_npz_file {tmp_path / 'i'} --interp_method {method}"
    )
    assert command("kerasAC_interpret", line) == 0
    with np.load(tmp_path / "i.npz") as found:
        assert found["interp_scores"].shape == found["inputs_onehot"].shape == (5, 200, 4)
        assert [int(row[1]) for row in found["bed_entries"]] == [summit - 100 for summit in summits(peaks)]
        assert np.abs(found["interp_scores"]).max() > 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--generator_type snp", "kerasac-ray variants"),
        ("--flank 90", "takes 200 bases"),
        ("--flank 100 --task_index 1", "has 1 tasks"),
    ],
)
def test_what_interpret_cannot_do_is_said(
    more: str, message: str, sequence_model: Path, trained: Any, tmp_path: Path, peaks: Path
) -> None:
    line = (
        f"--load_model_hdf5 {sequence_model} --input_bed_file {peaks} --ref_fasta {trained.data / 'genome.fa'} "
        f"--output_npz_file {tmp_path / 'i'} {more}"
    )
    with pytest.raises(ConfigError, match=message):
        interpret(given("kerasAC_interpret", line), Console(quiet=True))


def test_models_with_controls_are_not_of_the_sequence_alone(trained: Any, tmp_path: Path, peaks: Path) -> None:
    line = (
        f"--load_model_hdf5 {trained.file('hdf5')} --input_bed_file {peaks} --ref_fasta {trained.data / 'genome.fa'} "
        f"--output_npz_file {tmp_path / 'i'} --flank 100"
    )
    with pytest.raises(ConfigError, match="3 inputs"):
        interpret(given("kerasAC_interpret", line), Console(quiet=True))
