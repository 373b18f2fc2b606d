from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasac.store.reads.counts import open_counts, write_counts
from kerasac.store.reads.ends import Chunk, Ends

Pairs = Sequence[tuple[int, int]]  # row and span


def chunk(plus: Pairs, minus: Pairs = (), **skipped: int) -> Chunk:
    ends = (Ends(*np.array(pairs, dtype=np.int64).reshape(-1, 2).T) for pairs in (plus, minus))
    return Chunk(*ends, len(plus) + len(minus), skipped)


def counted(folder: Path, *chunks: Chunk, unique: bool = False) -> tuple[dict[int, int], dict[int, int]]:
    write_counts(chunks, folder, unique=unique)
    found = open_counts(folder)
    plus, minus = (
        dict(zip(strand.rows.tolist(), strand.counts.tolist(), strict=True)) for strand in (found.plus, found.minus)
    )
    return plus, minus


def test_ends_of_all_chunks_are_counted_by_row_and_strand(tmp_path: Path) -> None:
    chunks = chunk([(5, 9), (3, 9), (5, 8)], [(5, 1)]), chunk([(5, 9)], [(7, 2), (6, 2)])
    assert counted(tmp_path, *chunks) == ({3: 1, 5: 3}, {5: 1, 6: 1, 7: 1})


def test_unique_counts_a_row_and_span_once(tmp_path: Path) -> None:
    chunks = chunk([(5, 9), (3, 9), (5, 8)], [(5, 9)]), chunk([(5, 9)])
    assert counted(tmp_path, *chunks, unique=True) == ({3: 1, 5: 2}, {5: 1})
    facts = open_counts(tmp_path).facts
    assert (facts.n_records, facts.plus, facts.minus) == (5, 3, 1)
    assert facts.skipped == {"a copy of one that counts": 1}


def test_reasons_of_all_chunks_are_added_up_and_empty_ones_left_out(tmp_path: Path) -> None:
    facts = write_counts([chunk([(1, 1)], low=2, none=0), chunk([], low=3, other=1)], tmp_path, unique=False)
    assert facts.skipped == {"low": 5, "other": 1}
    assert open_counts(tmp_path).facts == facts


def test_nothing_is_counted_in_an_empty_file(tmp_path: Path) -> None:
    assert counted(tmp_path, chunk([])) == ({}, {})


def test_only_the_columns_remain(tmp_path: Path) -> None:
    counted(tmp_path, chunk([(5, 9)], [(2**32 - 2, 9)]))
    names = {"facts.json", "minus.counts", "minus.rows", "plus.counts", "plus.rows"}
    assert {path.name for path in tmp_path.iterdir()} == names


ROWS = st.sampled_from([0, 1, 9, 10, 11, 25, 2**32 - 2]) | st.integers(0, 40)
CHUNKS = st.lists(st.lists(st.tuples(ROWS, st.integers(0, 3)), max_size=12), max_size=4)


@settings(max_examples=60, deadline=None)
@given(plus=CHUNKS, unique=st.booleans())
def test_buckets_and_pieces_change_nothing(plus: list[list[tuple[int, int]]], unique: bool) -> None:
    """Against a dictionary that counts one end after the other."""
    pairs = [pair for part in plus for pair in part]
    expected = Counter(row for row, _ in (set(pairs) if unique else pairs))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("kerasac.store.reads.counts.BUCKET_BP", 10)
        patch.setattr("kerasac.store.reads.counts.PIECE_ENDS", 3)
        found, _ = counted(Path(folder), *(chunk(part) for part in plus), unique=unique)
    assert found == expected
    assert list(found) == sorted(found)
