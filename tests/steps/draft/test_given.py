"""Paths are written so that the file they stand in finds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from kerasac.errors import ConfigError
from kerasac.steps.draft.given import Given, plain_name, written_path

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("path", "folder", "written"),
    [
        ("/data/x/genome.fa", "/data/x", "genome.fa"),
        ("/data/x/y/genome.fa", "/data/x", "y/genome.fa"),
        ("/data/genome.fa", "/data/x/y", "../../genome.fa"),
        ("/data/ref/genome.fa", "/data/x", "../ref/genome.fa"),
        ("/ref/genome.fa", "/data/x", "/ref/genome.fa"),  # by way of the root
        ("/data/ref/genome.fa", "/data/x/y/z", "/data/ref/genome.fa"),  # three folders up
        ("https:/lab.org/genome.fa", "/data", "https://lab.org/genome.fa"),
    ],
)
def test_path_is_relative_below_and_near_else_absolute(path: str, folder: str, written: str) -> None:
    assert written_path(Path(path), Path(folder)) == written


@examples(NAMES, NAMES)
def test_written_path_leads_to_the_file(path: list[str], folder: list[str]) -> None:
    root = Path("/nowhere-at-all")
    target, here = root.joinpath(*path), root.joinpath(*folder)
    assert os.path.normpath(here / written_path(target, here)) == str(target)


def test_links_are_followed_as_the_system_does(tmp_path: Path) -> None:
    real = tmp_path / "disk" / "deep" / "work"
    real.mkdir(parents=True)
    (tmp_path / "disk" / "genome.fa").write_text(">chr1\n")
    (tmp_path / "work").symlink_to(real)
    written = written_path(tmp_path / "disk" / "genome.fa", tmp_path / "work")
    assert written == "../../genome.fa"
    assert (tmp_path / "work" / written).read_text() == ">chr1\n"


def test_link_below_the_folder_is_named_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "far.fa").write_text(">chr1\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "genome.fa").symlink_to(tmp_path / "far.fa")
    assert written_path(tmp_path / "work" / "genome.fa", tmp_path / "work") == "genome.fa"


def test_files_that_are_not_there_are_named_by_option(tmp_path: Path) -> None:
    for option in ("fasta", "chrom_sizes", "peaks", "blacklist"):
        with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')} .*absent is not a file"):
            Given(**{option: tmp_path / "absent"}).check()  # type: ignore[arg-type]


def test_two_ways_of_sampling_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.bed").write_text("chr1\t1\t2\n")
    with pytest.raises(ConfigError, match="give one"):
        Given(peaks=tmp_path / "p.bed", peak_attribute="peak").check()


@pytest.mark.parametrize(("text", "name"), [("K562 (ENCODE)", "K562-ENCODE"), ("_a.b", "a.b"), ("é", "experiment")])
def test_name_has_only_letters_that_an_experiments_may_have(text: str, name: str) -> None:
    assert plain_name(text) == name
