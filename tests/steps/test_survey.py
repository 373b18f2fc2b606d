"""No mistake hides another, and what is odd is said before anything is decoded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import file_server
from tiny import ASSEMBLY, tiny_experiment, write_json

from kerasac.config import Experiment
from kerasac.errors import ConfigError, StoreError
from kerasac.steps.findings import Findings
from kerasac.steps.prepare import prepare
from kerasac.steps.survey import survey


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A folder whose BED files and tables may be changed; the rest is the shared one's."""
    for path in tiny_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "peaks.narrowPeak").unlink()
    shutil.copy(tiny_folder / "peaks.narrowPeak", tmp_path / "peaks.narrowPeak")
    return tmp_path


def add_peaks(folder: Path, *lines: str) -> None:
    with (folder / "peaks.narrowPeak").open("a") as peaks:
        peaks.writelines(f"{line}\t.\t0\t.\t0\t0\t0\t10\n" for line in lines)


def warnings(experiment: Experiment) -> list[str]:
    found = survey(experiment).findings
    assert found.errors == []
    return [str(finding) for finding in found.warnings]


def test_small_splits_are_all_that_is_odd_about_a_good_experiment(folder: Path) -> None:
    (said,) = warnings(tiny_experiment(folder))
    assert said.startswith("folds: splits with fewer than 50 peaks: 24 in valid of fold 0, 24 in test of fold 0, ")


@pytest.mark.parametrize(
    ("source", "reverse", "warned"),
    [
        (["plus", "minus"], True, False),
        (["plus", "minus", "unstranded"], True, False),
        (["unstranded", "control_plus"], True, True),
        (["unstranded", "control_plus"], False, False),
        (["unstranded"], True, False),
    ],
)
def test_tracks_that_may_be_strands_of_unknown_names_are_a_warning(
    folder: Path, source: list[str], reverse: bool, warned: bool
) -> None:
    profile = {"name": "profile", "source": source, "flank": 30}
    outputs = [profile, {**profile, "name": "logcount", "aggregate": "sum", "transform": "log"}]
    experiment = tiny_experiment(folder, outputs=outputs, sampling={"reverse_complement": reverse})
    found = survey(experiment).findings.warnings
    said = [finding.message for finding in found if finding.about == "source of profile"]
    assert bool(said) == warned
    assert not warned or "no two of unstranded, control_plus are strands of each other" in said[0]


def test_all_mistakes_are_found_at_once(folder: Path) -> None:
    (folder / "bad.bed").write_text("chr1\t5\t3\n")
    changes: dict[str, Any] = {
        "datasets": "tinny",
        "model": {"filtrs": 3},
        "genome": {"blacklist": "bad.bed"},
        "folds": {"files": "nope.json"},
    }
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_experiment(folder, **changes))
    said = str(caught.value)
    assert said.startswith("4 mistakes:")
    for part in ("folds.files: ", "'filtrs'", "did you mean 'tiny'", "bad.bed line 1: chr1:5-3"):
        assert part in said


def test_remote_files_that_cannot_be_fetched_are_among_the_mistakes(folder: Path) -> None:
    changes: dict[str, Any] = {"datasets": "tinny", "folds": {"files": "nope.json"}}
    with file_server() as server:
        server.put("/closed.fa", "", status=403)
        changes["genome"] = {"fasta": f"{server.url}/closed.fa", "blacklist": f"{server.url}/gone.bed"}
        with pytest.raises(ConfigError) as caught:
            prepare(tiny_experiment(folder, **changes))
    said = str(caught.value)
    assert said.startswith("4 mistakes:")
    assert f"genome.fasta: access to {server.url}/closed.fa is refused (403)" in said
    assert f"genome.blacklist: {server.url}/gone.bed does not exist; correct the URL" in said
    assert "nope.json" in said
    assert "did you mean 'tiny'" in said


def test_same_mistake_in_two_places_is_said_once() -> None:
    def fail() -> None:
        raise StoreError("no dataset 'x'")

    findings = Findings()
    findings.attempt(fail, "source of profile")
    findings.attempt(fail, "source of logcount")
    assert [str(finding) for finding in findings.errors] == ["source of profile: no dataset 'x'"]


def test_repeated_peaks_are_counted(folder: Path) -> None:
    first = (folder / "peaks.narrowPeak").read_text().splitlines(keepends=True)[0]
    with (folder / "peaks.narrowPeak").open("a") as peaks:
        peaks.write(first * 2)
    assert any(said.startswith("regions: 2 rows repeat") for said in warnings(tiny_experiment(folder)))


def test_peaks_on_missing_chromosomes_are_left_out_and_counted(folder: Path) -> None:
    add_peaks(folder, *[f"chrUn_1\t{i * 100}\t{i * 100 + 50}" for i in range(20)])
    found = survey(tiny_experiment(folder))
    assert found.candidates is not None
    assert found.candidates.skipped["regions on chromosomes that the genome lacks"] == 20
    assert found.candidates.n_peaks == survey(tiny_experiment(folder)).candidates.n_peaks  # type: ignore[union-attr]
    assert any("20 of 140 (14%)" in said and "genome lacks" in said for said in warnings(tiny_experiment(folder)))


def test_peaks_named_otherwise_are_an_error_not_a_skip(folder: Path) -> None:
    add_peaks(folder, "1\t500\t600")
    found = survey(tiny_experiment(folder)).findings
    assert ["'1' of" in str(finding) and "'chr1'" in str(finding) for finding in found.errors] == [True]


def test_peaks_on_chromosomes_shorter_than_a_window_are_told_from_those_at_ends(folder: Path) -> None:
    sequence = {"name": "sequence", "source": "seq", "flank": 12_500}  # chr5 has 24,000 bases
    found = survey(tiny_experiment(folder, inputs=[sequence], sampling={"regions": {"jitter": 0}}))
    assert found.candidates is not None
    assert found.candidates.skipped["regions on chromosomes shorter than a window"] == 24


def test_empty_peak_file_is_an_error(folder: Path) -> None:
    (folder / "peaks.narrowPeak").write_text("# nothing\n")
    found = survey(tiny_experiment(folder)).findings
    assert ["holds no interval" in str(finding) for finding in found.errors] == [True]


def test_folds_that_repeat_or_forget_chromosomes_are_said(folder: Path) -> None:
    table = {
        "0": {"train": ["chr1"], "val": ["chr2"], "test": ["chr3"]},
        "1": {"train": ["chr2"], "val": ["chr1"], "test": ["chr3"]},
    }
    write_json(folder / "twice.json", table)
    said = warnings(tiny_experiment(folder, folds={"files": "twice.json", "n": None}))
    assert any("chr3 in the test split of more than one fold" in line for line in said)
    assert any("chr4, chr5 in no fold; 48 peaks there are never used" in line for line in said)


def test_too_few_negatives_are_said_for_each_fold(folder: Path) -> None:
    lines = [f"{chrom}\t{size // 2 + 300}\t{size // 2 + 400}\n" for chrom, size in ASSEMBLY.as_dict().items()]
    (folder / "few.bed").write_text("".join(lines))
    experiment = tiny_experiment(folder, sampling={"negatives": {"bed": "few.bed", "ratio": 1.0}})
    said = [line for line in warnings(experiment) if line.startswith("sampling.negatives: fold")]
    assert len(said) == 5
    assert "has 3 negatives to train on and draws 72 an epoch" in said[0]


def test_uneven_folds_are_said(folder: Path) -> None:
    rng = np.random.default_rng(0)
    starts = rng.integers(1_000, 38_000, 100)
    add_peaks(folder, *[f"chr1\t{start}\t{start + 50}" for start in starts.tolist()])
    assert any("between 24 and 124 peaks" in said for said in warnings(tiny_experiment(folder)))
