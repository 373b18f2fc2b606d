"""A chromosome that is a copy of another leaks when one is held out and the other trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kerasac.errors import ConfigError
from kerasac.genome.assembly import Assembly
from kerasac.genome.centering import Center
from kerasac.genome.fold_files import FoldLists, open_fold_table
from kerasac.genome.folds import built_in_folds, rotated_folds
from kerasac.steps import leakage as step
from kerasac.steps.leakage import Leakage, LeakageSpec, check_leakage, verify, write_bed

ASSEMBLY = Assembly(("a", "b", "c"), (1000, 1000, 1000))
FOLDS = rotated_folds([["a"], ["b"], ["c"]])
TABLE = tuple(FoldLists("f.json", fold.index, fold.train, fold.valid, fold.test) for fold in FOLDS)


@pytest.fixture
def spec(tmp_path: Path) -> LeakageSpec:
    """Peaks at 300 and 700 of three chromosomes; base 600 … 799 of a and b are the same."""
    rng = np.random.default_rng(0)
    chroms = {name: "".join(rng.choice(list("ACGT"), 1000)) for name in "abc"}
    chroms["b"] = chroms["b"][:600] + chroms["a"][600:800] + chroms["b"][800:]
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in chroms.items()))
    rows = [(name, middle) for name in "abc" for middle in (700, 300, 20)]
    (tmp_path / "p.bed").write_text("".join(f"{name}\t{middle - 5}\t{middle + 5}\n" for name, middle in rows))
    return LeakageSpec(tmp_path / "g.fa", tmp_path / "p.bed", center=Center.CENTER, width_bp=200)


def counts(leakage: Leakage) -> dict[tuple[int, str], int]:
    return {(split.fold, split.split): leakage.n_leaking(split) for split in leakage.splits}


def test_leaks_are_counted_by_fold_and_split(spec: LeakageSpec) -> None:
    found = check_leakage(spec, FOLDS, ASSEMBLY)
    assert {where: n for where, n in counts(found).items() if n} == {(1, "test"): 1, (2, "valid"): 1}
    assert found.skipped == {"too near chromosome ends": 3}
    assert [found.worst(split, 5) for split in found.splits if found.n_leaking(split)] == [
        [{"window": "b:600-800", "train_window": "a:600-800", "shared": 1.0}],
        [{"window": "a:600-800", "train_window": "b:600-800", "shared": 1.0}],
    ]


def test_bed_of_leaking_windows_is_a_blacklist(spec: LeakageSpec, tmp_path: Path) -> None:
    write_bed(check_leakage(spec, FOLDS, ASSEMBLY), tmp_path / "leaks.bed")
    assert (tmp_path / "leaks.bed").read_text() == "a\t600\t800\tb:600-800\t1000\t.\nb\t600\t800\ta:600-800\t1000\t.\n"
    without = LeakageSpec(spec.fasta, spec.peaks, blacklist=tmp_path / "leaks.bed", center=Center.CENTER, width_bp=200)
    found = check_leakage(without, FOLDS, ASSEMBLY)
    assert sum(counts(found).values()) == 0
    assert found.skipped["blacklisted"] == 2


def test_background_windows_are_compared_too(spec: LeakageSpec, tmp_path: Path) -> None:
    (tmp_path / "n.bed").write_text("b\t690\t720\n")
    with_more = LeakageSpec(spec.fasta, spec.peaks, tmp_path / "n.bed", center=Center.CENTER, width_bp=200)
    assert counts(check_leakage(with_more, FOLDS, ASSEMBLY))[1, "test"] == 2


def test_findings_begin_where_more_leaks_than_may(spec: LeakageSpec) -> None:
    result = verify(TABLE, ASSEMBLY, spec)
    (finding,) = result.findings
    assert str(finding).startswith("leakage: up to 50.0% of the valid or test windows of fold 1, 2 are nearly in train")
    lenient = LeakageSpec(spec.fasta, spec.peaks, center=Center.CENTER, width_bp=200, max_leaking=0.5)
    assert verify(TABLE, ASSEMBLY, lenient).findings == ()


def test_undecided_windows_are_a_finding(spec: LeakageSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    found = check_leakage(spec, FOLDS, ASSEMBLY)
    for split in found.splits:
        split.undecided[:] = split.fold == 2
    monkeypatch.setattr(step, "check_leakage", lambda *_: found)
    messages = [str(finding) for finding in verify(TABLE, ASSEMBLY, spec).findings]
    assert messages[1].startswith("leakage: windows of fold 2 are of sequence so frequent")


def test_windows_are_not_compared_when_the_table_has_errors(spec: LeakageSpec) -> None:
    broken = (FoldLists("f.json", 0, ("a", "b"), ("b",), ("c",)),)
    result = verify(broken, ASSEMBLY, spec)
    assert result.leakage is None
    assert [str(finding) for finding in result.findings] == ["fold 0: b in both train and valid"]


def test_result_is_plain_json(spec: LeakageSpec) -> None:
    found = verify(TABLE, ASSEMBLY, spec).as_dict()
    assert (found["folds"], found["passed"], len(found["findings"])) == (3, False, 1)
    assert found["leakage"]["splits"][3] == {
        "fold": 1,
        "split": "test",
        "windows": 2,
        "leaking": 1,
        "undecided": 0,
        "worst": [{"window": "b:600-800", "train_window": "a:600-800", "shared": 1.0}],
    }
    assert verify(TABLE).as_dict() == {"folds": 3, "passed": True, "findings": [], "leakage": None}


def test_comparing_needs_a_genome(spec: LeakageSpec) -> None:
    with pytest.raises(ConfigError, match="needs the chromosome sizes"):
        verify(TABLE, None, spec)


def test_chromosomes_that_the_genome_lacks_are_left_out_of_the_comparison(spec: LeakageSpec) -> None:
    assert len(open_fold_table(["hg38-5"])) == len(built_in_folds("hg38-5"))
    table = tuple(FoldLists("f.json", f.index, (*f.train, "z"), f.valid, f.test) for f in FOLDS)
    result = verify(table, ASSEMBLY, spec)
    assert result.leakage is not None
    assert counts(result.leakage)[1, "test"] == 1
