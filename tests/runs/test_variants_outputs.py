"""What variants, ablate and marginal leave is of one job, whenever a call dies; shards are made up, without models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tiny import tiny_experiment, write_fasta

from kerasac.config import make_experiment
from kerasac.errors import ConfigError, RunError
from kerasac.interpret.marginal_job import MarginalJob
from kerasac.interpret.scoring_job import ScoringJob
from kerasac.runs import ablation, marginal, sharded, variants
from kerasac.runs.ablation import AblationRequest, ablate_regions
from kerasac.runs.marginal import MarginalRequest, marginal_effects
from kerasac.runs.variants import VariantRequest, score_variants
from kerasac.sampling.sequence_source import SequenceSource

OTHER = {"A": "C", "C": "A", "G": "T", "T": "G"}
OWN = "def build(contract): ..."


def made_scores(job: Any, shard: int) -> int:
    """Stand for the scoring of a shard."""
    n = job.n_in(shard)
    shape = (n, len(job.models), len(job.targets), len(job.score_names))
    with job.part(shard).open("wb") as file:
        np.save(file, np.random.default_rng(shard).random(shape, np.float32))
    return int(n)


def made_effects(job: Any, shard: int) -> int:
    """Stand for the predictions of a shard of backgrounds."""
    n, effects = job.n_in(shard), job.effects
    shape = (n, len(job.models), len(job.design.conditions), len(effects.targets), len(effects.names))
    with job.part(shard).open("wb") as file:
        footprints = np.ones((job.design.n_single, 60, 2))
        np.savez(file, effects=np.random.default_rng(shard).random(shape, np.float32), footprints=footprints)
    return int(n)


@pytest.fixture(autouse=True)
def _no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScoringJob, "do", made_scores)
    monkeypatch.setattr(MarginalJob, "do", made_effects)
    monkeypatch.setattr(sharded, "run_shards", lambda job, shards, workers: (job.do(shard) for shard in shards))


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A folder with a file in place of a model, and its experiment."""
    (tmp_path / "m.keras").write_text("no model")
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(tiny_experiment(tiny_folder).as_dict()))
    (tmp_path / "genome.fa").write_bytes((tiny_folder / "genome.fa").read_bytes())
    return tmp_path


def genome(folder: Path) -> dict[str, str]:
    records = (folder / "genome.fa").read_text().split(">")[1:]
    return {name: "".join(lines) for name, *lines in (record.splitlines() for record in records)}


def of_variants(folder: Path, places: tuple[int, ...], prefix: str = "", **options: Any) -> Any:
    """Score substitutions at 1-based places; at 0 one that is left out."""
    bases = genome(folder)["chr1"]
    rows = [(place, bases[place - 1], OTHER[bases[place - 1]]) for place in places if place]
    rows += [(0, "A", "C")] * places.count(0)
    lines = [f"{prefix}chr1\t{place}\t{ref}\t{alt}" for place, ref, alt in rows]
    (folder / "v.tsv").write_text("\n".join(["chrom\tpos\tref\talt", *lines]) + "\n")
    files: Any = {"experiment": folder / "e.yaml", "workers": 1}
    return score_variants(VariantRequest((folder / "m.keras",), folder / "v.tsv", folder / "o", **files, **options))


def of_regions(folder: Path, places: tuple[int, ...], prefix: str = "", **options: Any) -> Any:
    """Replace regions of 10 bases; one at 0 is left out."""
    (folder / "r.bed").write_text("".join(f"{prefix}chr1\t{place}\t{place + 10}\n" for place in places))
    files: Any = {"experiment": folder / "e.yaml", "workers": 1, "n": 2}
    return ablate_regions(AblationRequest((folder / "m.keras",), folder / "r.bed", folder / "o", **files, **options))


def of_motifs(folder: Path, places: tuple[int, ...], prefix: str = "", **options: Any) -> Any:
    """Write motifs, named after places, into backgrounds."""
    del prefix
    motifs = tuple((f"m{place}", "TGACTCA") for place in places)
    files: Any = {"experiment": folder / "e.yaml", "workers": 1, "n": 3}
    return marginal_effects(MarginalRequest((folder / "m.keras",), folder / "o", motifs=motifs, **files, **options))


COMMANDS: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "variants": (of_variants, variants, "write_scores"),
    "ablate": (of_regions, ablation, "write_ablation"),
    "marginal": (of_motifs, marginal, "write_marginal"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_overwrite_leaves_no_table_that_passes_for_the_new_one(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, module, last = COMMANDS[name]
    command(folder, (1000, 2000))
    before = (folder / "o.tsv").read_text()

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, last, killed)
        with pytest.raises(KeyboardInterrupt):
            command(folder, (3000,), overwrite=True)
    command(folder, (3000,))
    assert (folder / "o.tsv").read_text() != before
    with pytest.raises(RunError, match="is there already"):
        command(folder, (1000, 2000))


@pytest.mark.parametrize("name", ["variants", "ablate"])
def test_what_is_left_out_is_listed_anew_when_all_else_is_done(name: str, folder: Path) -> None:
    command, _, _ = COMMANDS[name]
    command(folder, (1000, 2000))
    assert len((folder / "o.left_out.tsv").read_text().splitlines()) == 1
    done = command(folder, (1000, 2000, 0))
    assert done.n_now == 0
    assert len((folder / "o.left_out.tsv").read_text().splitlines()) == 2
    assert json.loads((folder / "o.json").read_text())["left_out"] == done.left_out != {}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_bases_under_other_names_are_another_job(name: str, folder: Path) -> None:
    command, _, _ = COMMANDS[name]
    command(folder, (1000,))
    renamed = write_fasta(folder / "renamed.fa", {f"x{chrom}": bases for chrom, bases in genome(folder).items()})
    with pytest.raises(RunError, match="is there already"):
        command(folder, (1000,), prefix="x", fasta=renamed)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_model_without_profiles_is_refused_before_anything_is_loaded(
    name: str, folder: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "own.py").write_text(OWN)
    document = tiny_experiment(tiny_folder).as_dict()
    outputs = [output for output in document["outputs"] if output["name"] == "logcount"]
    document |= {"outputs": outputs, "model": {"architecture": f"{folder}/own.py:build"}}
    (folder / "e.yaml").write_text(yaml.safe_dump(make_experiment(document, base=folder, origin="t").as_dict()))
    monkeypatch.setattr(SequenceSource, "ensure", lambda *_: pytest.fail("loaded"))
    with pytest.raises(ConfigError, match=r"need a profile and its counts.* of tiny are logcount \(counts\)"):
        COMMANDS[name][0](folder, (1000,))
