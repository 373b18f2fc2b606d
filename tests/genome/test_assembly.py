"""Chromosomes keep their order, and files that do not fit each other are told apart by name."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import pytest

from kerasac.errors import GenomeError
from kerasac.genome.assembly import (
    Assembly,
    check_same_sizes,
    naming_hint,
    open_text,
    read_chrom_sizes,
    renamed_chromosome,
)

ASSEMBLY = Assembly(("chr2", "chr1", "chrM"), (30, 20, 5))


def test_offsets_follow_the_order_given() -> None:
    assert ASSEMBLY.offsets.tolist() == [0, 30, 50]
    assert ASSEMBLY.total_bp == 55
    assert ASSEMBLY.index("chr1") == 1
    assert "chrM" in ASSEMBLY
    assert "chr3" not in ASSEMBLY


def test_offsets_do_not_overflow() -> None:
    sizes = (2_000_000_000,) * 3
    assert Assembly(("a", "b", "c"), sizes).offsets.tolist() == [0, 2_000_000_000, 4_000_000_000]


def test_used_assembly_pickles_and_compares_equal() -> None:
    assert ASSEMBLY.offsets is not None
    assert pickle.loads(pickle.dumps(ASSEMBLY)) == Assembly(ASSEMBLY.names, ASSEMBLY.sizes)


@pytest.mark.parametrize(
    ("names", "sizes", "expected"),
    [
        (("a", "a"), (1, 2), "chromosome a is listed twice"),
        (("a",), (1, 2), "1 chromosome names but 2 sizes"),
        (("a", "b"), (1, 0), "chromosome b has 0 bases"),
    ],
)
def test_impossible_assembly_is_refused(names: tuple[str, ...], sizes: tuple[int, ...], expected: str) -> None:
    with pytest.raises(GenomeError, match=expected):
        Assembly(names, sizes)


def test_sizes_file_keeps_its_order(tmp_path: Path) -> None:
    path = tmp_path / "a.sizes"
    path.write_text("# comment\nchr2\t30\n\nchr1\t20\r\nchrM\t5\n")
    assert read_chrom_sizes(path) == ASSEMBLY


def test_fasta_index_is_a_sizes_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fai"
    path.write_text("chr2\t30\t6\t60\t61\nchr1\t20\t43\t60\t61\nchrM\t5\t70\t60\t61\n")
    assert read_chrom_sizes(path) == ASSEMBLY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chr1 20\n", "line 1: expected 'name<TAB>size', found 'chr1 20'"),
        ("chr1\t20\nchr2\tlong\n", "line 2: expected 'name<TAB>size'"),
        ("chr1\t20\nchr1\t20\n", "line 2: chromosome chr1 is listed twice"),
        ("\n", "lists no chromosome"),
    ],
)
def test_malformed_sizes_are_named_by_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "a.sizes"
    path.write_text(text)
    with pytest.raises(GenomeError, match=rf"a\.sizes.*{expected}"):
        read_chrom_sizes(path)


@pytest.mark.parametrize(
    ("chrom", "expected"),
    [
        ("2", "'2' is not in this genome: it is called 'chr2' there, '2' here; use one naming"),
        ("chrm", "'chrm' is not in this genome; did you mean 'chrM'"),
        ("plasmid", "'plasmid' is not in this genome; known: chr1, chr2, chrM"),
    ],
)
def test_unknown_chromosome_gets_a_hint(chrom: str, expected: str) -> None:
    with pytest.raises(GenomeError) as caught:
        ASSEMBLY.index(chrom)
    assert expected in str(caught.value)


def test_naming_hint_speaks_of_the_chromosome_that_was_renamed() -> None:
    assert renamed_chromosome(["2micron", "chrI"], ["I", "II"]) == ("chrI", "I")
    assert "'chrI' is called 'I' there" in naming_hint(["2micron", "chrI"], ["I", "II"])
    assert renamed_chromosome(["chr20"], ["chr1", "chr2"]) is None
    assert naming_hint([], ["chr1"]) == ""


def test_hint_of_a_draft_genome_stays_short() -> None:
    hint = naming_hint(["x"], [f"scaffold_{i}" for i in range(5_000)])
    assert len(hint) < 500
    assert "(5,000 in all)" in hint


def test_same_sizes_may_come_with_more_chromosomes_in_any_order() -> None:
    check_same_sizes({"chr1": 5}, {"chr2": 1, "chr1": 5}, "the FASTA")


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({"chr2": 5}, "chromosome 'chr1' is not in the FASTA; did you mean 'chr2'"),
        ({"1": 5}, "chromosome 'chr1' is not in the FASTA: it is called '1' there, 'chr1' here; use one naming"),
        ({"chr1": 5_000}, "chromosome chr1 has 5 bases here but 5,000 in the FASTA; the files are of different"),
    ],
)
def test_other_sizes_are_refused(theirs: dict[str, int], expected: str) -> None:
    with pytest.raises(GenomeError) as caught:
        check_same_sizes({"chr1": 5}, theirs, "the FASTA")
    assert str(caught.value).startswith(expected)


def test_text_is_opened_gzipped_or_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n")
    (tmp_path / "b").write_bytes(gzip.compress(b"x\n"))
    for name in ("a", "b"):
        with open_text(tmp_path / name) as lines:
            assert list(lines) == ["x\n"]


def test_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfchr1\t5\n")
    assert read_chrom_sizes(tmp_path / "a").names == ("chr1",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (gzip.compress(b"chr1\t5\n" * 1000)[:-9], "not a whole gzip file"),
        (gzip.compress(b"chr1\t5\n")[:12] + b"xxxxxxxxxxxxxx", "not a whole gzip file"),
        (b"chr1\t\xff\xfe\n", r"not a text file \(invalid start byte at byte 5\)"),
    ],
)
def test_text_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "some").write_bytes(content)
    with pytest.raises(GenomeError, match=rf"some .*{said}|some {said}"), open_text(tmp_path / "some") as lines:
        list(lines)
