from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest
from blocks import block, facts
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.errors import ConfigError
from kerasac.steps import bigwig as step
from kerasac.steps.prediction_shards import write_blocks
from kerasac.store.bigwig_tracks import Written


def test_options_become_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def record(*arguments: Any, **options: Any) -> list[Written]:
        calls.append((arguments, options))
        return [Written(Path("b.labels_counts.bw"), 1000, 500.0, 0.0, 7.0)]

    monkeypatch.setattr(step, "prediction_bigwigs", record)
    arguments = "bigwig p.h5 --out b --tracks labels_counts,delta_prob --tasks plus --chrom-sizes s --overwrite"
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 0, result.output
    options = {
        "tracks": ["labels_counts", "delta_prob"],
        "tasks": ["plus"],
        "chrom_sizes": Path("s"),
        "overwrite": True,
    }
    assert calls == [((Path("p.h5"), Path("b")), options)]
    assert "1,000 bases, 0 to 7, mean 0.5" in result.output


def test_predictions_and_contributions_are_told_apart_by_their_keys(tmp_path: Path) -> None:
    write_blocks(tmp_path / "p.h5", [block(3)], 3, facts())
    result = CliRunner().invoke(app, ["bigwig", str(tmp_path / "p.h5"), "--out", str(tmp_path / "p")])
    assert result.exit_code == 0, result.output
    assert "wrote 4 bigWig files" in result.output
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("coords_chrom", data=["chr1"], dtype=h5py.string_dtype())
        file["coords_start"] = [5]
        file["hyp_scores"] = file["input_seqs"] = [[[1, 0, 0, 0], [0, 1, 0, 0]]]
    (tmp_path / "sizes").write_text("chr1\t100\n")
    arguments = ["bigwig", tmp_path / "c.h5", "--out", tmp_path / "c", "--chrom-sizes", tmp_path / "sizes"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "c.contributions.bw").exists()
    assert "wrote 1 bigWig file\n" in result.output


def test_contributions_have_no_tracks_to_choose(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["hyp_scores"] = file["input_seqs"] = [[[1, 0, 0, 0], [0, 1, 0, 0]]]
    arguments = ["bigwig", str(tmp_path / "c.h5"), "--out", str(tmp_path / "c"), "--tasks", "plus"]
    with pytest.raises(ConfigError, match=r"c\.h5 holds contributions, one track"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
