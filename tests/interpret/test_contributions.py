"""Contributions are read alike from whichever tool's file, and what is no such file is named."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasac.errors import InterpretError
from kerasac.interpret.contributions import is_contributions, open_contributions

N, WIDTH = 6, 10


def windows() -> tuple[np.ndarray, np.ndarray]:
    """Return hypothetical contributions and one-hot rows; the first base of each window is N."""
    rng = np.random.default_rng(0)
    bases = np.eye(4, dtype=np.int8)[rng.integers(0, 4, (N, WIDTH))]
    bases[:, 0] = 0
    return rng.normal(size=(N, WIDTH, 4)).astype(np.float16), bases


def write_bpnet(path: Path) -> Path:
    hypothetical, bases = windows()
    with h5py.File(path, "w") as file:
        file["hyp_scores"], file["input_seqs"] = hypothetical, bases
        file.create_dataset("coords_chrom", data=["chr1"] * N, dtype=h5py.string_dtype())
        file["coords_start"] = 100 * np.arange(N)
        file["coords_end"] = 100 * np.arange(N) + WIDTH
    return path


def write_chrombpnet(path: Path) -> Path:
    hypothetical, bases = windows()
    with h5py.File(path, "w") as file:
        file["shap/seq"], file["raw/seq"] = hypothetical.swapaxes(1, 2), bases.swapaxes(1, 2)
        file["projected_shap/seq"] = (hypothetical * bases).swapaxes(1, 2)
    return path


def write_regions(path: Path, n: int = N) -> Path:
    path.write_text("".join(f"chr1\t{100 * i - 3}\t{100 * i + 12}\t.\t.\t.\t.\t.\t.\t8\n" for i in range(1, n + 1)))
    return path


def test_both_tools_files_read_alike(tmp_path: Path) -> None:
    hypothetical, bases = windows()
    regions = write_regions(tmp_path / "r.bed")
    for path in (write_bpnet(tmp_path / "b.h5"), write_chrombpnet(tmp_path / "c.h5")):
        assert is_contributions(path)
        with open_contributions(path, regions=regions) as found:
            assert (len(found), found.width_bp, found.head, found.tasks) == (N, WIDTH, None, ())
            for rows in (slice(1, 4), np.array([0, 2, 5])):
                assert np.array_equal(found.hypothetical(rows), hypothetical[rows])
                assert np.array_equal(found.one_hot(rows), bases[rows])
                expected = (hypothetical.astype(np.float32) * bases).sum(axis=2)[rows]
                np.testing.assert_allclose(found.actual(rows), expected, rtol=1e-6)
                assert not found.actual(rows)[:, 0].any()
            assert found.spread(slice(None)) is None
            assert found.chrom.tolist() == ["chr1"] * N


def test_windows_are_where_the_file_or_the_regions_say(tmp_path: Path) -> None:
    regions = write_regions(tmp_path / "r.bed")
    with open_contributions(write_bpnet(tmp_path / "b.h5"), regions=regions) as found:
        assert found.start.tolist() == [0, 100, 200, 300, 400, 500]
    with open_contributions(write_chrombpnet(tmp_path / "c.h5"), regions=regions) as found:
        assert found.start.tolist() == [100, 200, 300, 400, 500, 600]
    with open_contributions(tmp_path / "c.h5", regions=write_regions(tmp_path / "few.bed", 3)) as found:
        assert found.hypothetical(slice(None)).shape == (N, WIDTH, 4)
        with pytest.raises(InterpretError, match=r"few.bed has 3 regions, .*c.h5 6 windows"):
            _ = found.start
    with (
        open_contributions(tmp_path / "c.h5") as found,
        pytest.raises(InterpretError, match="does not say where its windows are; give the file of their --regions"),
    ):
        _ = found.chrom


def test_what_is_no_file_of_contributions_is_named(tmp_path: Path) -> None:
    with pytest.raises(InterpretError, match=r"none.h5 does not exist"), open_contributions(tmp_path / "none.h5"):
        pass
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(InterpretError, match=r"cannot read .*text.h5"), open_contributions(tmp_path / "text.h5"):
        pass
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["pred_0"] = np.zeros(3)
    with (
        pytest.raises(InterpretError, match=r"other.h5 holds no contributions: neither hyp_scores"),
        open_contributions(tmp_path / "other.h5"),
    ):
        pass
    with h5py.File(write_bpnet(tmp_path / "later.h5"), "a") as file:
        file.attrs["format_version"] = 99
    with (
        pytest.raises(InterpretError, match=r"later.h5 has format version 99"),
        open_contributions(tmp_path / "later.h5"),
    ):
        pass
    assert not is_contributions(tmp_path / "text.h5")
    assert not is_contributions(tmp_path / "other.h5")
    assert not is_contributions(tmp_path / "none.h5")
