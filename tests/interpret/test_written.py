"""Files of an explanation are told from those of others, whatever layout they have and whenever a call died."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasac.errors import RunError
from kerasac.interpret.contribution_files import ContributionLayout, output_paths
from kerasac.interpret.written import Mark

OURS, CHROMBPNET, KERASAC = ContributionLayout.OURS, ContributionLayout.CHROMBPNET, ContributionLayout.KERASAC


def mark(folder: Path, layout: ContributionLayout, job: str = "a", windows: str = "w") -> Mark:
    return Mark(job, layout, windows, f"chr1\t5\t{windows}\n", folder / "o.arrays.json")


def write(files: list[Path], known_by: Mark) -> None:
    for path in files:
        if path.suffix == ".npy":
            np.save(path, np.zeros(3))
        elif path.suffix == ".bed":
            path.write_text(known_by.regions)
        else:
            with h5py.File(path, "w") as file:
                file.attrs.update({"job": known_by.job, "layout": str(known_by.layout)})


def made(folder: Path, layout: ContributionLayout, head: str = "counts", **known_by: str) -> tuple[Mark, list[Path]]:
    one, files = mark(folder, layout, **known_by), output_paths(folder / "o", head, layout)
    one.claim(files)
    write(files, one)
    return one, files


@pytest.mark.parametrize("layout", ContributionLayout)
def test_finished_files_are_there_and_those_of_another_job_are_refused(
    layout: ContributionLayout, tmp_path: Path
) -> None:
    one, files = made(tmp_path, layout)
    assert one.are_there(files, overwrite=False)
    assert not one.are_there(files, overwrite=True)
    with pytest.raises(RunError, match="is there already, and not of these models, windows and settings"):
        mark(tmp_path, layout, job="b").are_there(files, overwrite=False)


@pytest.mark.parametrize("layout", [CHROMBPNET, KERASAC])
def test_what_heads_share_is_of_the_same_windows(layout: ContributionLayout, tmp_path: Path) -> None:
    counts, files = made(tmp_path, layout)
    profile = output_paths(tmp_path / "o", "profile", layout)
    with pytest.raises(RunError, match=r"interpreted_regions\.bed|seq\.npy"):
        mark(tmp_path, layout, job="b", windows="x").are_there(profile, overwrite=False)
    assert not mark(tmp_path, layout, job="b").are_there(profile, overwrite=False)
    other, _ = made(tmp_path, layout, "profile", job="b")
    assert other.are_there(profile, overwrite=False)
    assert counts.are_there(files, overwrite=False)


@pytest.mark.parametrize("layout", ContributionLayout)
def test_an_overwriting_that_died_goes_on_and_passes_for_neither(layout: ContributionLayout, tmp_path: Path) -> None:
    old, files = made(tmp_path, layout)
    new = mark(tmp_path, layout, job="b", windows="x")
    new.claim(files)
    write(files[:1], new)
    assert new.are_there(files, overwrite=False) == (len(files) == 1)
    with pytest.raises(RunError):
        old.are_there(files, overwrite=False)


def test_arrays_of_another_tool_are_refused(tmp_path: Path) -> None:
    files = output_paths(tmp_path / "o", "counts", KERASAC)
    np.save(files[0], np.zeros(3))
    with pytest.raises(RunError, match=r"hyp\.count\.npy is there already"):
        mark(tmp_path, KERASAC).are_there(files, overwrite=False)
