"""A bigWig of contributions has those of the bases that are there, whichever tool wrote them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pyBigWig
import pytest

from kerasac.errors import InterpretError
from kerasac.interpret.contribution_bigwig import contribution_bigwig
from kerasac.interpret.contributions import is_contributions


def values(path: Path, chrom: str, start: int, end: int) -> np.ndarray:
    with pyBigWig.open(str(path)) as file:
        return np.array(file.values(chrom, start, end))


@pytest.mark.parametrize("tool", ["bpnet", "chrombpnet"])
def test_contributions_are_those_of_the_bases_that_are_there(tmp_path: Path, tool: str) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 4, (3, 8))
    hypothetical = rng.normal(size=(3, 8, 4)).astype(np.float16)
    one_hot = np.eye(4, dtype=np.int8)[tokens]
    starts = np.array([10, 40, 80])
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        if tool == "bpnet":
            file.create_dataset("coords_chrom", data=["chr1"] * 3, dtype=h5py.string_dtype())
            file["coords_start"], file["coords_end"] = starts, starts + 8
            file["hyp_scores"], file["input_seqs"] = hypothetical, one_hot
        else:
            file["shap/seq"], file["raw/seq"] = hypothetical.swapaxes(1, 2), one_hot.swapaxes(1, 2)
    (tmp_path / "sizes").write_text("chr1\t100\n")
    regions = tmp_path / "regions.narrowPeak"
    regions.write_text("".join(f"chr1\t{start}\t{start + 8}\t.\t.\t.\t.\t.\t.\t4\n" for start in starts))
    assert is_contributions(tmp_path / "scores.h5")
    if tool == "chrombpnet":
        with pytest.raises(
            InterpretError, match="does not say where its windows are; give the file of their --regions"
        ):
            contribution_bigwig(tmp_path / "scores.h5", tmp_path / "c", regions=None, chrom_sizes=tmp_path / "sizes")
    given = regions if tool == "chrombpnet" else None
    written = contribution_bigwig(tmp_path / "scores.h5", tmp_path / "c", regions=given, chrom_sizes=tmp_path / "sizes")
    assert written.n_bases == 24
    for i, start in enumerate(starts):
        found = values(tmp_path / "c.contributions.bw", "chr1", start, start + 8)
        np.testing.assert_allclose(found, hypothetical[i, np.arange(8), tokens[i]], rtol=1e-6)


def test_regions_of_another_number_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        file["shap/seq"], file["raw/seq"] = np.zeros((2, 4, 8)), np.zeros((2, 4, 8))
    (tmp_path / "sizes").write_text("chr1\t100\n")
    (tmp_path / "r.narrowPeak").write_text("chr1\t10\t18\t.\t.\t.\t.\t.\t.\t4\n")
    with pytest.raises(InterpretError, match=r"has 1 regions, .* 2 windows"):
        contribution_bigwig(
            tmp_path / "scores.h5",
            tmp_path / "c",
            regions=tmp_path / "r.narrowPeak",
            chrom_sizes=tmp_path / "sizes",
        )
