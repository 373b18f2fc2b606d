"""Labels are found by the centre of their bin: a bin whose value is its number shows any other."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from binned import BIN_BP, bins, write_labels
from tiny import ASSEMBLY

from kerasac.errors import SamplingError, StoreError
from kerasac.genome.assembly import Assembly
from kerasac.store.label_bins import BinTable, label_bins


def rows_of(table: pd.DataFrame) -> np.ndarray:
    offsets = dict(zip(ASSEMBLY.names, ASSEMBLY.offsets.tolist(), strict=True))
    return (table.CHR.map(offsets) + table.START + BIN_BP // 2).to_numpy()


@pytest.fixture
def table() -> pd.DataFrame:
    return bins()


def test_every_bin_has_its_own_value_in_any_order_of_the_file(tmp_path: Path, table: pd.DataFrame) -> None:
    shuffled = table.sample(frac=1, random_state=0)
    found = label_bins(write_labels(tmp_path / "l.tsv", shuffled), ("number",), ASSEMBLY)
    asked = table.sample(500, replace=True, random_state=1)
    np.testing.assert_array_equal(found.open().at(rows_of(asked))[:, 0], asked.number)
    assert found.bin_bp == BIN_BP
    assert (np.diff(found.open().center.astype(np.int64)) > 0).all()


def test_content_follows_the_values_not_the_order(tmp_path: Path, table: pd.DataFrame) -> None:
    one = label_bins(write_labels(tmp_path / "a.tsv", table), ("number",), ASSEMBLY)
    same = label_bins(write_labels(tmp_path / "b.tsv", table[::-1]), ("number",), ASSEMBLY)
    other = label_bins(write_labels(tmp_path / "c.tsv", table.assign(number=table.number + 1)), ("number",), ASSEMBLY)
    assert one.content() == same.content() != other.content()


def test_place_without_a_bin_is_an_error(tmp_path: Path, table: pd.DataFrame) -> None:
    found = label_bins(write_labels(tmp_path / "l.tsv", table), ("number",), ASSEMBLY)
    for row in (1, ASSEMBLY.total_bp):
        with pytest.raises(SamplingError, match="no bin has its centre at genome row"):
            found.open().at(np.array([BIN_BP // 2, row]))


def test_bins_between_two_rows_include_both(tmp_path: Path, table: pd.DataFrame) -> None:
    found = label_bins(write_labels(tmp_path / "l.tsv", table), ("number",), ASSEMBLY).open()
    first, last = int(found.center[3]), int(found.center[9])
    assert found.between(first, last) == slice(3, 10)
    assert found.between(first + 1, last - 1) == slice(4, 9)


def test_rows_are_looked_up_without_a_copy_of_the_column() -> None:
    """A copy would take a hundred times as long at the size of the human genome."""
    n = 20_000_000
    table = BinTable(np.arange(n, dtype=np.uint32), np.zeros((n, 1), dtype=np.float32))
    tracemalloc.start()
    table.at(np.array([5, n - 1]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000


def test_genome_whose_rows_do_not_fit_is_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    large = Assembly((*ASSEMBLY.names, "chrL"), (*ASSEMBLY.sizes, 2**32))
    with pytest.raises(StoreError, match=r"bases, of which bins can be numbered up to 4,294,967,295"):
        label_bins(write_labels(tmp_path / "l.tsv", table), ("number",), large).open()


def test_bins_on_other_chromosomes_are_skipped_and_counted(
    tmp_path: Path, table: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    extra = pd.DataFrame({"CHR": ["chrUn"], "START": [0], "END": [BIN_BP], "number": [7.0]})
    found = label_bins(write_labels(tmp_path / "l.tsv", pd.concat([extra, table])), ("number",), ASSEMBLY)
    assert len(found.open().center) == len(table)
    assert "1 bins on chromosomes that the genome lacks skipped: ['chrUn']" in caplog.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(CHR=t.CHR.str[3:]), "'1' of .*l.tsv is not in the genome: it is called 'chr1'"),
        (lambda t: t.assign(START=t.START + 90_000, END=t.END + 90_000), "chr1:90000-90200 ends beyond its chrom"),
        (lambda t: pd.concat([t, t[5:8]]), "has 3 bins twice, the first around chr1:600"),
        (lambda t: t.assign(END=t.END + (t.index == 3)), "bins of 200 to 201 bases"),
        (lambda t: t.rename(columns={"number": "nmber"}), "no task 'number'; did you mean 'nmber'"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path: Path, table: pd.DataFrame, change: object, said: str) -> None:
    path = write_labels(tmp_path / "l.tsv", change(table))  # type: ignore[operator]
    with pytest.raises(StoreError, match=said):
        label_bins(path, ("number",), ASSEMBLY).open()


def test_file_that_changed_is_an_error_not_another_table(tmp_path: Path, table: pd.DataFrame) -> None:
    found = label_bins(write_labels(tmp_path / "l.tsv", table), ("number",), ASSEMBLY)
    write_labels(tmp_path / "l.tsv", table[1:])
    with pytest.raises(StoreError, match="changed while the run was going on"):
        found.open()
