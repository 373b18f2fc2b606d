"""A window of tokens is the window of the FASTA, wherever it lies and whatever the FASTA was before."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import write_fasta

from kerasac.errors import GenomeError
from kerasac.genome import sequence as sequence_room
from kerasac.genome.assembly import Assembly
from kerasac.genome.sequence import TokenGenome, check_fasta, encode, one_hot, reverse_complement, token_genome

# Lines of 10: chromosomes end on, before and after the end of a line.
SEQUENCES = {"chr1": "ACGTACGTAC", "chr2": "TTTTnnNNRYacgtG", "chr3": "G"}
ASSEMBLY = Assembly(tuple(SEQUENCES), tuple(map(len, SEQUENCES.values())))

letters = st.text("ACGTNacgtn")
dna = st.text("ACGT")


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return write_fasta(tmp_path / "genome.fa", SEQUENCES, width=10)


def decoded(tokens: TokenGenome) -> str:
    return "".join("ACGTN"[token] for token in tokens.open())


def test_letters_have_the_tokens_of_the_format() -> None:
    assert encode("ACGTN").tolist() == [0, 1, 2, 3, 4]
    assert encode("acgtn").tolist() == [0, 1, 2, 3, 4]
    assert encode("RYKMSWU-*").tolist() == [4] * 9
    assert encode("").shape == (0,)
    assert encode("A").dtype == np.uint8


@given(letters)
def test_soft_masking_does_not_matter(sequence: str) -> None:
    assert encode(sequence.lower()).tolist() == encode(sequence.upper()).tolist()


@given(dna)
def test_reverse_complement_is_the_textbooks(sequence: str) -> None:
    expected = sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))
    assert reverse_complement(encode(sequence)).tolist() == encode(expected).tolist()


@given(letters)
def test_reverse_complement_twice_is_the_identity(sequence: str) -> None:
    tokens = encode(sequence)
    assert reverse_complement(reverse_complement(tokens)).tolist() == tokens.tolist()


def test_reverse_complement_keeps_the_order_of_a_batch() -> None:
    batch = np.stack([encode("AACN"), encode("GGGT")])
    assert reverse_complement(batch).tolist() == [encode("NGTT").tolist(), encode("ACCC").tolist()]


def test_tokens_lie_at_offset_plus_position(fasta: Path) -> None:
    assert decoded(token_genome(fasta, ASSEMBLY)) == "ACGTACGTAC" + "TTTTNNNNNNACGTG" + "G"


def test_chromosomes_follow_the_assembly_not_the_fasta(fasta: Path) -> None:
    forward = token_genome(fasta, Assembly(("chr1", "chr3"), (10, 1)))
    backward = token_genome(fasta, Assembly(("chr3", "chr1"), (1, 10)))
    assert decoded(forward) == "ACGTACGTACG"
    assert decoded(backward) == "GACGTACGTAC"


def test_tokens_are_built_once(fasta: Path) -> None:
    first = token_genome(fasta, ASSEMBLY).ensure()
    written = (first / "tokens.npy").stat().st_mtime_ns
    assert token_genome(fasta, ASSEMBLY).ensure() == first
    assert (first / "tokens.npy").stat().st_mtime_ns == written


def test_changed_fasta_is_encoded_again_whatever_its_old_index_says(fasta: Path) -> None:
    pysam.faidx(str(fasta))
    token_genome(fasta, ASSEMBLY).ensure()
    changed = {**SEQUENCES, "chr2": "CCCCCCCCCCCCCCC"}
    write_fasta(fasta, changed, width=4)  # the old .fai now points into the middle of lines
    assert decoded(token_genome(fasta, ASSEMBLY)) == "".join(changed.values())


def test_bgzip_gives_the_same_tokens_without_writing_beside(fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    packed = folder / "genome.fa.gz"
    pysam.tabix_compress(str(fasta), str(packed))
    assert decoded(token_genome(packed, ASSEMBLY)) == decoded(token_genome(fasta, ASSEMBLY))
    assert [path.name for path in folder.iterdir()] == ["genome.fa.gz"]


def test_plain_gzip_is_refused_with_the_way_out(fasta: Path, tmp_path: Path) -> None:
    packed = tmp_path / "plain.fa.gz"
    packed.write_bytes(gzip.compress(fasta.read_bytes()))
    with pytest.raises(GenomeError, match=r"cannot read .*plain\.fa\.gz as FASTA.*bgzip"):
        token_genome(packed, ASSEMBLY)


@pytest.mark.parametrize(
    ("names", "sizes", "expected"),
    [
        (("chr1", "chr9"), (10, 1), r"'chr9' is not in the FASTA .*genome\.fa; did you mean"),
        (("1",), (10,), "'1' is not in the FASTA .*: it is called 'chr1' there"),
        (("chr1",), (11,), "chromosome chr1 has 11 bases here but 10 in the FASTA"),
    ],
)
def test_fasta_of_another_genome_is_refused(
    fasta: Path, names: tuple[str, ...], sizes: tuple[int, ...], expected: str
) -> None:
    for check in (check_fasta, token_genome):
        with pytest.raises(GenomeError, match=expected):
            check(fasta, Assembly(names, sizes))


def test_missing_and_unreadable_fasta_are_named(tmp_path: Path) -> None:
    with pytest.raises(GenomeError, match=r"none\.fa does not exist"):
        check_fasta(tmp_path / "none.fa", ASSEMBLY)
    (tmp_path / "text.fa").write_text("no header\n")
    with pytest.raises(GenomeError, match=r"cannot read .*text\.fa as FASTA"):
        check_fasta(tmp_path / "text.fa", ASSEMBLY)


def test_one_hot_rows_are_a_c_g_t_and_n_is_none() -> None:
    rows = one_hot(np.stack([encode("ACGT"), encode("NnTa")]))
    assert rows.dtype == np.uint8
    assert rows.tolist() == [np.eye(4).tolist(), [[0] * 4, [0] * 4, [0, 0, 0, 1], [1, 0, 0, 0]]]


@pytest.mark.parametrize("shard_bp", [3, 10, 16, 1_000])
def test_how_chromosomes_are_cut_for_encoding_does_not_matter(
    fasta: Path, shard_bp: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sequence_room, "_SHARD_BP", shard_bp)
    assert decoded(token_genome(fasta, ASSEMBLY)) == "ACGTACGTAC" + "TTTTNNNNNNACGTG" + "G"


def test_fasta_that_changes_during_a_run_is_named(fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERASAC_CACHE", str(tmp_path / "cache"))
    tokens = token_genome(fasta, ASSEMBLY)
    write_fasta(fasta, {**SEQUENCES, "chr2": "CCCCCCCCCCCCCCC"}, width=4)
    with pytest.raises(GenomeError, match=r"genome\.fa changed while the run was going on"):
        tokens.open()


def test_content_is_that_of_the_tokens(fasta: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.fa"
    copy.write_bytes(fasta.read_bytes())
    one, other = token_genome(fasta, ASSEMBLY), token_genome(copy, ASSEMBLY)
    assert one.name != other.name
    assert one.content() == other.content()
