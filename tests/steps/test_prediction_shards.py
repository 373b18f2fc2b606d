from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from blocks import SIZES, TASKS, block, facts, part

from kerasac.errors import ScoreError
from kerasac.steps import hdf5_rows
from kerasac.steps.prediction_shards import (
    Block,
    PredictionWriter,
    genome_of,
    join_shards,
    stored_chrom_sizes,
    write_blocks,
)
from kerasac.steps.predictions import open_predictions


def shards_of(whole: Block, n: int, folder: Path) -> list[Path]:
    """Write a block in files of four windows each."""
    paths = []
    for low in range(0, n, 4):
        paths.append(folder / f"part-{low}.h5")
        rows = part(whole, slice(low, low + 4))
        with PredictionWriter(paths[-1], len(rows.center), 4) as writer:
            writer.write(rows)
    return paths


@pytest.mark.parametrize("n", [4, 9, 12])
@pytest.mark.parametrize("labelled", [True, False])
def test_joined_shards_are_the_file_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, labelled: bool
) -> None:
    monkeypatch.setattr(hdf5_rows, "_CHUNK_BYTES", 100)  # two windows of 6 × 2 numbers
    whole = block(n, labelled=labelled)
    join_shards(shards_of(whole, n, tmp_path), tmp_path / "joined.h5", facts(), 4)
    write_blocks(tmp_path / "once.h5", [part(whole, slice(0, 3)), part(whole, slice(3, n))], n, facts())
    with h5py.File(tmp_path / "joined.h5") as joined, h5py.File(tmp_path / "once.h5") as once:
        assert set(joined) == set(once)
        assert ("lab_0" in joined) == labelled
        for name in once:
            assert np.array_equal(joined[name][()], once[name][()]), name
        assert dict(joined.attrs).keys() == dict(once.attrs).keys()
        assert joined["pred_0"].chunks[0] == 2


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    whole = block(5)
    write_blocks(tmp_path / "a.h5", [whole], 5, facts(predicted_by="all"), mean_profile=np.ones((6, 2)))
    with open_predictions(tmp_path / "a.h5") as file:
        assert file.tasks == TASKS
        assert (file.transform, file.pseudocount) == ("log", 1.0)
        assert file.attrs["predicted_by"] == "all"
        assert np.array_equal(file.chrom, whole.chrom)
        assert np.array_equal(file.center, whole.center)
        assert np.array_equal(file.is_peak, whole.is_peak)
        assert np.array_equal(file.logits(slice(None)), whole.logits)
        assert np.array_equal(file.label_logcount(slice(1, 3)), whole.label_logcount[1:3])
        assert file.mean_profile is not None


def test_an_interrupted_file_never_appears(tmp_path: Path) -> None:
    def blocks() -> object:
        yield block(2)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_blocks(tmp_path / "a.h5", blocks(), 4, facts())
    assert not list(tmp_path.iterdir())


def test_the_genome_is_kept_with_the_predictions_or_asked_for(tmp_path: Path) -> None:
    write_blocks(tmp_path / "a.h5", [block(2)], 2, facts())
    assert stored_chrom_sizes(tmp_path / "a.h5") == SIZES
    assert genome_of(tmp_path / "a.h5", None).as_dict() == SIZES
    (tmp_path / "sizes").write_text("chr1\t7\n")
    assert genome_of(tmp_path / "a.h5", tmp_path / "sizes").as_dict() == {"chr1": 7}
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["pred_0"] = 1
    with pytest.raises(ScoreError, match="does not say how long chromosomes are; give --chrom-sizes"):
        genome_of(tmp_path / "b.h5", None)
