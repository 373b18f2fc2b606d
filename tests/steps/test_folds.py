"""What splits hold is counted, and all that is wrong with a table is found at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerasac.errors import FoldError, GenomeError
from kerasac.genome.assembly import Assembly
from kerasac.genome.centering import Center
from kerasac.genome.fold_files import FoldLists, open_fold_table
from kerasac.genome.folds import Fold
from kerasac.genome.peak_centers import read_spans
from kerasac.steps.folds import (
    bases_by_chrom,
    make_balanced,
    read_centers,
    split_sizes,
    verify_table,
)

ASSEMBLY = Assembly(("a", "b", "c", "d"), (100, 200, 300, 50))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def lists(index: int, train: str, valid: str, test: str) -> FoldLists:
    return FoldLists("f.json", index, *(tuple(names.split()) for names in (train, valid, test)))


GOOD = (lists(0, "c", "b", "a"), lists(1, "a", "c", "b"), lists(2, "b", "a", "c"))


def test_centers_are_middles_or_summits_in_genome_rows(tmp_path: Path) -> None:
    bed = write(tmp_path / "p.narrowPeak", "b\t10\t20\tx\t0\t.\t0\t0\t0\t1\na\t30\t40\tx\t0\t.\t0\t0\t0\t-1\n")
    assert read_centers(bed, ASSEMBLY).rows.tolist() == [115, 35]
    assert read_centers(bed, ASSEMBLY, center=Center.SUMMIT).rows.tolist() == [111, 35]
    assert read_centers(bed, ASSEMBLY).by_chrom(ASSEMBLY) == {"a": 1, "b": 1, "c": 0, "d": 0}


def test_peaks_that_are_left_out_are_counted(tmp_path: Path) -> None:
    rows = ["a\t0\t10", "a\t50\t60", "other\t0\t10", "b\t0\t8"]
    text = "".join(f"{row}\tx\t0\t.\t0\t0\t0\t{summit}\n" for row, summit in zip(rows, (5, 5, 5, 9), strict=True))
    blacklist = read_spans(write(tmp_path / "b.bed", "a\t54\t56\n"), ASSEMBLY)
    found = read_centers(write(tmp_path / "p.bed", text), ASSEMBLY, center=Center.SUMMIT, blacklist=blacklist)
    assert found.rows.tolist() == [5]
    assert found.skipped == {
        "on chromosomes that the genome lacks": 1,
        "with a summit outside": 1,
        "blacklisted": 1,
    }


def test_peak_file_without_peaks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GenomeError, match="holds no interval"):
        read_centers(write(tmp_path / "p.bed", ""), ASSEMBLY)


def test_blacklisted_bases_do_not_count(tmp_path: Path) -> None:
    blacklist = read_spans(write(tmp_path / "b.bed", "b\t0\t50\nb\t40\t60\nd\t0\t50\n"), ASSEMBLY)
    assert bases_by_chrom(ASSEMBLY) == {"a": 100, "b": 200, "c": 300, "d": 50}
    assert bases_by_chrom(ASSEMBLY, blacklist) == {"a": 100, "b": 140, "c": 300, "d": 0}


def test_spread_is_the_heaviest_test_set_above_the_mean() -> None:
    made = make_balanced({"a": 4, "b": 3, "c": 2, "d": 0}, 3)
    assert made.spread == pytest.approx(4 / 3 - 1)
    assert made.without_weight == ("d",)


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [(["d"], ("d",)), (["?"], ("d",)), (["chrUn*", "d"], ("d",)), ([], ()), (["d", "d*"], ("d",))],
)
def test_excluded_chromosomes_are_in_no_fold(exclude: list[str], expected: tuple[str, ...]) -> None:
    made = make_balanced({"aa": 4, "bb": 3, "cc": 2, "d": 9}, 3, exclude=exclude)
    named = {chrom for fold in made.folds for chrom in fold.test}
    assert made.excluded == expected
    assert named == {"aa", "bb", "cc", "d"} - set(expected)


def test_name_to_exclude_that_is_no_chromosome_is_an_error() -> None:
    with pytest.raises(FoldError, match="chromosome '1' to exclude is not in the genome: it is called 'chr1' there"):
        make_balanced({"chr1": 1, "chr2": 1, "chr3": 1}, 3, exclude=["1"])


def test_too_few_chromosomes_say_what_they_lack() -> None:
    with pytest.raises(FoldError, match=r"need 4 chromosomes with bases, but only 2 have any \(a, c\)"):
        make_balanced({"a": 3, "b": 0, "c": 1}, 4, what="bases")


def test_splits_count_chromosomes_bases_and_peaks() -> None:
    fold = Fold(0, ("c",), ("b",), ("a", "d"))
    sizes = split_sizes(fold, ASSEMBLY, {"a": 1, "b": 2, "c": 3})
    assert sizes == {"train": (("c",), 300, 3), "valid": (("b",), 200, 2), "test": (("a", "d"), 150, 1)}
    assert split_sizes(fold)["test"] == (("a", "d"), None, None)


def test_good_table_has_no_findings() -> None:
    assert verify_table(GOOD) == []
    assert verify_table(GOOD, ASSEMBLY) == []


@pytest.mark.parametrize("name", ["hg38-5", "kerasac-10"])
def test_built_in_tables_have_no_findings(name: str) -> None:
    assert verify_table(open_fold_table([name])) == []


def test_single_fold_need_not_test_everything() -> None:
    assert verify_table(GOOD[:1], ASSEMBLY) == []


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([lists(4, "c a", "b", "a")], ["error: fold 4: a in both train and test"]),
        ([lists(4, "c b", "b a", "a")], [
            "error: fold 4: b in both train and valid",
            "error: fold 4: a in both valid and test",
        ]),
        ([lists(0, "", "b", "a")], ["error: fold 0: train has no chromosome"]),
        ([lists(0, "c c", "b", "a")], ["warning: fold 0: c more than once in train"]),
        ([GOOD[0], GOOD[1], lists(2, "b", "c", "a")], [
            "warning: a is tested in folds 0, 2; it counts twice",
            "warning: never tested: c",
        ]),
        ([*GOOD[:2], lists(2, "b", "a", "c d")], [
            "warning: fold 0: in no split, but used by other folds: d",
            "warning: fold 1: in no split, but used by other folds: d",
        ]),
        ([lists(0, "c x", "b", "a")], ["warning: not in the genome, and left out of its folds: x"]),
        ([lists(0, "c", "b", "x")], [
            "warning: not in the genome, and left out of its folds: x",
            "error: fold 0: test has no chromosome of the genome: x",
        ]),
        ([lists(0, "chrc", "chrb", "chra")], [
            "error: 'chrc' is not in the genome: it is called 'c' there, 'chrc' here; "
            "use one naming (chr1 or 1) in all files",
        ]),
    ],
)  # fmt: skip
def test_everything_that_is_wrong_is_found(table: list[FoldLists], expected: list[str]) -> None:
    assert [f"{finding.level}: {finding}" for finding in verify_table(table, ASSEMBLY)] == expected
