"""What interpret leaves is of one explanation, whenever a call dies; shards are made up, without models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from tiny import tiny_experiment, write_fasta

from kerasac.config import load_experiment
from kerasac.errors import InterpretError, RunError
from kerasac.genome.centering import Center
from kerasac.interpret.contribution_files import ContributionLayout
from kerasac.interpret.heads import Head
from kerasac.interpret.job import ContributionJob
from kerasac.interpret.settings import ExplainSettings
from kerasac.models.backend import prepare_backend
from kerasac.models.contract import contract_of
from kerasac.models.registry import build_model, read_parameters
from kerasac.runs import interpret, sharded
from kerasac.runs.interpret import Interpreted, InterpretRequest, interpret_to_files
from kerasac.steps.hdf5_rows import create_rows
from kerasac.steps.prediction_data import open_reading

CHROMBPNET, KERASAC = ContributionLayout.CHROMBPNET, ContributionLayout.KERASAC


def made(job: Any, shard: int) -> int:
    """Stand for the explanation of a shard: contributions of 1."""
    n, width = job.n_in(shard), 200
    columns: dict[str, np.ndarray] = {"input_seqs": np.zeros((n, width, 4), np.int8)}
    for number in range(len(job.targets)):
        columns[f"hyp_scores_{number}"] = np.ones((n, width, 4), np.float32)
        columns[f"error_{number}"] = np.zeros(n, np.float32)
    with h5py.File(job.part(shard), "w") as file:
        for name, values in columns.items():
            create_rows(file, name, n, values, job.shard_items)
            file[name][:] = values
    return int(n)


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file in place of a model, and its experiment."""
    monkeypatch.setattr(ContributionJob, "do", made)
    monkeypatch.setattr(sharded, "run_shards", lambda job, shards, workers: (job.do(shard) for shard in shards))
    (tmp_path / "m.keras").write_text("no model")
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(tiny_experiment(tiny_folder).as_dict()))
    return tmp_path


def explain(folder: Path, chrom: str = "chr1", start: int = 5000, **options: Any) -> Interpreted:
    (folder / "r.bed").write_text(f"{chrom}\t{start}\t{start + 20}\n")
    files: Any = {"experiment": folder / "e.yaml", "center": Center.CENTER, "together": True, "workers": 1}
    return interpret_to_files(
        InterpretRequest((folder / "m.keras",), folder / "o", folder / "r.bed", **files, **options)
    )


@pytest.mark.parametrize("layout", [CHROMBPNET, KERASAC])
def test_what_another_head_s_file_rests_on_is_not_replaced(layout: ContributionLayout, folder: Path) -> None:
    counts = explain(folder, layout=layout, heads=(Head.COUNTS,))
    shared = counts.files[-1].read_bytes()
    assert explain(folder, layout=layout, heads=(Head.PROFILE,)).n_now == 1
    for path in folder.glob("o*.profile*"):
        path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ContributionJob, "do", lambda *_: pytest.fail("explained"))
        with pytest.raises(RunError, match=f"{counts.files[-1].name} is there already"):
            explain(folder, start=6000, layout=layout, heads=(Head.PROFILE,))
    assert counts.files[-1].read_bytes() == shared


@pytest.mark.parametrize("layout", ContributionLayout)
def test_the_same_command_explains_nothing_again(layout: ContributionLayout, folder: Path) -> None:
    assert explain(folder, layout=layout).n_now == 1
    assert explain(folder, layout=layout).n_now == 0
    with pytest.raises(RunError, match="is there already"):
        explain(folder, start=6000, layout=layout)


@pytest.mark.parametrize("layout", [CHROMBPNET, KERASAC])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_call_killed_between_two_heads_goes_on(layout: ContributionLayout, overwrite: bool, folder: Path) -> None:
    if overwrite:
        explain(folder, start=6000, layout=layout)
    write, n_written = interpret.write_contribution_layout, []

    def killed(*arguments: Any) -> None:
        if n_written:
            raise KeyboardInterrupt
        n_written.append(1)
        write(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpret, "write_contribution_layout", killed)
        with pytest.raises(KeyboardInterrupt):
            explain(folder, layout=layout, overwrite=overwrite)
    done = explain(folder, layout=layout)
    assert done.n_now == 0
    assert all(path.is_file() for path in done.files)
    assert not (folder / "o.parts").exists()


def test_the_same_bases_under_other_names_are_another_explanation(folder: Path, tiny_folder: Path) -> None:
    explain(folder, heads=(Head.PROFILE,))
    records = (record.splitlines() for record in (tiny_folder / "genome.fa").read_text().split(">")[1:])
    renamed = write_fasta(folder / "r.fa", {f"x{name}": "".join(lines) for name, *lines in records})
    with pytest.raises(RunError, match="is there already"):
        explain(folder, chrom="xchr1", heads=(Head.PROFILE,), fasta=renamed)


@pytest.mark.parametrize("change", [{"pseudocount": 100.0}, {"transform": "log10"}, {"aggregate": "average"}])
def test_what_is_made_of_control_tracks_decides_a_digest(change: dict[str, Any], tiny_folder: Path) -> None:
    def facts(**changes: Any) -> list[object]:
        control = {"source": ["control_plus", "control_minus"], "flank": 30, "aggregate": "sum", "transform": "log"}
        inputs = [{"name": "sequence", "source": "seq", "flank": 100}, {"name": "control", **control, **changes}]
        return open_reading(tiny_experiment(tiny_folder, inputs=inputs), labelled=False).content()

    assert facts() == facts() != facts(**change)


def test_the_spread_is_kept_whatever_models_explain_no_window() -> None:
    job: Any = object.__new__(ContributionJob)
    for name, value in {"groups": ((0, 1), (2,)), "group_of": np.array([0, 0])}.items():
        object.__setattr__(job, name, value)
    assert job.has_spread
    object.__setattr__(job, "group_of", np.array([0, 1]))
    assert not job.has_spread


@pytest.mark.parametrize("layout", [CHROMBPNET, ContributionLayout.BPNET])
def test_contributions_beyond_float16_are_refused_and_kept_for_another_layout(
    layout: ContributionLayout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def great(job: Any, shard: int) -> int:
        n = made(job, shard)
        with h5py.File(job.part(shard), "r+") as file:
            file["hyp_scores_0"][0, 3, 2] = -70_000
        return n

    monkeypatch.setattr(ContributionJob, "do", great)
    with pytest.raises(InterpretError, match=r"reach 70,000, beyond the 65,504 of float16.*--layout ours or kerasac"):
        explain(folder, layout=layout)
    assert explain(folder, layout=KERASAC).n_now == 0


OWN = """
import keras
from kerasac.models.layers import OneHotDNA

def build(contract, filters):
    (sequence,), (profile, counts) = contract.inputs, contract.outputs
    tokens = keras.Input((sequence.width_bp,), dtype="uint8", name=sequence.name)
    features = keras.layers.Conv1D(filters[0], 9, activation="relu")(OneHotDNA()(tokens))
    cropped = keras.layers.Cropping1D((features.shape[1] - profile.width_bp) // 2)(features)
    shape = keras.layers.Conv1D(profile.n_tracks, 1)(cropped)
    total = keras.layers.Dense(counts.n_tracks)(keras.layers.GlobalAveragePooling1D()(features))
    return keras.Model({sequence.name: tokens}, {profile.name: shape, counts.name: total})
"""


@pytest.mark.keras
def test_a_user_s_own_architecture_is_explained(tiny_folder: Path, tmp_path: Path) -> None:
    prepare_backend(threads=1)
    (tmp_path / "own.py").write_text(OWN)
    document = tiny_experiment(tiny_folder).as_dict()
    document["model"] = {"architecture": f"{tmp_path}/own.py:build", "filters": [3]}
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(document))
    experiment = load_experiment(tmp_path / "e.yaml")
    parameters = read_parameters(experiment.model.architecture, experiment.model.parameters)
    build_model(experiment.model.architecture, contract_of(experiment), parameters).save(tmp_path / "m.keras")
    done = explain(tmp_path, settings=ExplainSettings(n_references=2))
    assert done.greatest_error is not None
    assert done.greatest_error < 1e-4
