"""A pickle of kerasAC's contributions is read, and nothing in it is run."""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from contributions_made import write_contributions
from rich.console import Console

from kerasac.cli.original.entry import run
from kerasac.errors import ConfigError, InterpretError
from kerasac.interpret.contributions import open_contributions
from kerasac.interpret.kerasac_pickle import convert_pickle

WIDTH, FLANK = 20, 10
SIZES = {"chr1": 1000, "chr2": 500}
PLACES = [("chr2", 200), ("chr1", 300), ("chr1", 100)]


def content() -> dict[str, dict[tuple[str, int], Any]]:
    """Return what kerasAC_bpnet_shap_wrapper of kerasAC pickles; the first base of each window is N."""
    rng = np.random.default_rng(0)
    made: dict[str, dict[tuple[str, int], Any]] = {}
    for name in ("label_prof", "pred_prof"):
        made[name] = {place: rng.random(8).astype(np.float32) for place in PLACES}
    for name in ("label_sum", "pred_sum"):
        made[name] = {place: np.float32(rng.random()) for place in PLACES}
    for name, dtype in (("profile_shap", np.float64), ("count_shap", np.float32)):
        batch = rng.normal(size=(len(PLACES), WIDTH, 4)).astype(dtype)
        made[name] = {place: batch[i, :] for i, place in enumerate(PLACES)}
    bases = np.eye(4)[rng.integers(0, 4, (len(PLACES), WIDTH))]
    bases[:, 0] = 0
    made["seq"] = {place: bases[i] for i, place in enumerate(PLACES)}
    return made


def write(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def write_sizes(path: Path) -> Path:
    path.write_text("".join(f"{chrom}\t{size}\n" for chrom, size in SIZES.items()))
    return path


def as_numpy_1(data: bytes) -> bytes:
    """Name NumPy's module as version 1 did, in a pickle of protocol 3, which has no lengths of frames."""
    assert b"cnumpy._core.multiarray\n" in data
    return data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


class Calls:
    """An object whose unpickling calls a function."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [3, 4])
def test_files_hold_the_arrays_of_the_pickle(tmp_path: Path, protocol: int) -> None:
    made = content()
    source = write(tmp_path / "p.deepSHAP", made, protocol)
    if protocol == 3:
        source.write_bytes(as_numpy_1(source.read_bytes()))
    outs = convert_pickle(source, tmp_path / "q", chrom_sizes=SIZES)
    assert outs == (tmp_path / "q.counts.h5", tmp_path / "q.profile.h5")
    for out, head, name in zip(outs, ("counts", "profile"), ("count_shap", "profile_shap"), strict=True):
        with open_contributions(out) as found:
            assert (len(found), found.width_bp, found.head, found.tasks) == (3, WIDTH, head, ())
            assert found.chrom_sizes == SIZES
            places = zip(found.chrom.tolist(), (found.start + FLANK).tolist(), strict=True)
            assert list(places) == PLACES
            for i, place in enumerate(PLACES):
                np.testing.assert_array_equal(found.hypothetical(slice(i, i + 1))[0], made[name][place].astype("f4"))
                np.testing.assert_array_equal(found.one_hot(slice(i, i + 1))[0], made["seq"][place])


def test_arrays_of_any_order_and_type_of_numbers_are_read(tmp_path: Path) -> None:
    made = content()
    for place in PLACES:
        made["seq"][place] = np.asfortranarray(made["seq"][place]).astype(bool)
        made["count_shap"][place] = made["count_shap"][place].astype(">f4")
    out, _ = convert_pickle(write(tmp_path / "p", made), tmp_path / "q", chrom_sizes=SIZES)
    with open_contributions(out) as found:
        np.testing.assert_array_equal(found.one_hot(slice(0, 1))[0], made["seq"][PLACES[0]])
        np.testing.assert_array_equal(found.hypothetical(slice(0, 1))[0], made["count_shap"][PLACES[0]])


def test_the_command_writes_bigwigs_of_a_pickle(tmp_path: Path) -> None:
    made = content()
    source = write(tmp_path / "K562.deepSHAP", made)
    line = f"--path_to_pickle {source} --output_dir {tmp_path / 'w'} --chrom_sizes {write_sizes(tmp_path / 's')}"
    for _ in range(2):  # the files of a pickle may be replaced
        assert run("kerasAC_bigwigs_from_deepshap", line.split(), Console(quiet=True)) == 0
    endings = ("counts.h5", "profile.h5", "shap_count.bw", "shap_profile.bw")
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == [f"K562.deepSHAP.{one}" for one in endings]
    for kind in ("count", "profile"):
        with pyBigWig.open(str(tmp_path / "w" / f"K562.deepSHAP.shap_{kind}.bw")) as track:
            assert track.chroms() == SIZES
            for chrom, center in PLACES:
                expected = (made[f"{kind}_shap"][chrom, center] * made["seq"][chrom, center]).sum(axis=1)
                found = track.values(chrom, center - FLANK, center + FLANK)
                np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_command_needs_sizes_and_replaces_no_other_files(tmp_path: Path) -> None:
    source = write(tmp_path / "p", content())
    line = f"--path_to_pickle {source} --output_dir {tmp_path}"
    with pytest.raises(ConfigError, match="p is a pickle, which does not say how long chromosomes are; give --chrom_s"):
        run("kerasAC_bigwigs_from_deepshap", line.split(), Console(quiet=True))
    (tmp_path / "p.counts.h5").write_bytes(b"mine")
    line = f"{line} --chrom_sizes {write_sizes(tmp_path / 's')}"
    with pytest.raises(InterpretError, match=r"p\.counts\.h5 is there already, and was not made of a pickle"):
        run("kerasAC_bigwigs_from_deepshap", line.split(), Console(quiet=True))
    assert (tmp_path / "p.counts.h5").read_bytes() == b"mine"
    with pytest.raises(ConfigError, match=r"q\.counts\.h5 does not exist; --path_to_pickle is the prefix"):
        run("kerasAC_bigwigs_from_deepshap", f"{line} --path_to_pickle {tmp_path / 'q'}".split(), Console(quiet=True))


def test_files_of_the_wrapper_beside_a_pickle_are_newer(tmp_path: Path) -> None:
    source, sizes = write(tmp_path / "p", content()), write_sizes(tmp_path / "s")
    line = f"--path_to_pickle {source} --output_dir {tmp_path} --chrom_sizes {sizes}"

    def total() -> float:
        assert run("kerasAC_bigwigs_from_deepshap", line.split(), Console(quiet=True)) == 0
        with pyBigWig.open(str(tmp_path / "p.shap_count.bw")) as track:
            return float(sum(track.values("chr1", 90, 110)))

    first = total()
    made = content()
    made["count_shap"]["chr1", 100] = 2 * made["count_shap"]["chr1", 100]
    write(source, made)
    assert total() == pytest.approx(2 * first), "what an earlier call made of the pickle is made anew"
    windows = np.zeros((1, WIDTH), np.uint8), np.ones((1, WIDTH, 4))
    for head in ("counts", "profile"):
        (tmp_path / f"p.{head}.h5").unlink()
        write_contributions(tmp_path / f"p.{head}.h5", *windows, start=np.array([90]), head=head)
    assert total() == WIDTH


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "said"),
    [(os.mkdir, r"asks for posix\.mkdir, which a file of contributions has no need of; it is not read"),
     (eval, r"asks for (__builtin__|builtins)\.eval, which")],
    ids=["mkdir", "eval"],
)  # fmt: skip
def test_nothing_of_the_file_is_run(tmp_path: Path, function: Any, said: str, protocol: int) -> None:
    trace = tmp_path / "trace"
    argument = str(trace) if function is os.mkdir else f"__import__('os').mkdir({str(trace)!r})"
    source = write(tmp_path / "p", {"more": Calls(function, argument), **content()}, protocol=protocol)
    with pytest.raises(InterpretError, match=said):
        convert_pickle(source, tmp_path / "q", chrom_sizes=SIZES)
    assert not trace.exists()
    assert list(tmp_path.iterdir()) == [source]
    pickle.loads(source.read_bytes())
    assert trace.exists(), "the file would have run it"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (print, "asks for builtins.print"),
        (np.array([1, 2], dtype=object), "has values of type O8; contributions are numbers"),
        (np.array(["a"]), "has values of type U1"),
        (np.zeros(2, dtype=[("a", "f4"), ("b", "O")]), "has values of type V"),
        (np.random.default_rng(0), r"asks for numpy\.random\._pickle\.__generator_ctor"),
        (Path("p"), r"asks for pathlib"),
    ],
)
def test_what_arrays_of_numbers_have_no_need_of_is_refused(tmp_path: Path, value: object, said: str) -> None:
    source = write(tmp_path / "p", {**content(), "more": value})
    with pytest.raises(InterpretError, match=said):
        convert_pickle(source, tmp_path / "q", chrom_sizes=SIZES)


def changed(name: str, place: tuple[str, int], value: object) -> dict[str, dict[Any, Any]]:
    made = content()
    made[name][place] = value
    return made


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"profile_shap": {}, "other": {}}, "has the keys profile_shap, other; needed are count_shap, profile_shap"),
        ([1, 2], "has no dictionary"),
        ({**content(), "seq": [1]}, "is no pickle of kerasAC_bpnet_shap_wrapper"),
        ({"count_shap": {}, "profile_shap": {}, "seq": {}}, "has no windows"),
        ({**content(), "count_shap": {}}, "count_shap has other windows than seq"),
        ({**content(), "seq": {"chr1": 1}}, "'chr1' names no window"),
        (changed("count_shap", PLACES[1], np.zeros(WIDTH)), r"count_shap of chr1:300 has shape \(20,\)"),
        (changed("count_shap", PLACES[1], {"a": 1}), r"count_shap of chr1:300 has shape \(\)"),
        (changed("profile_shap", PLACES[2], np.zeros((8, 4))), r"profile_shap of chr1:100 has shape \(8, 4\)"),
        (changed("seq", PLACES[0], np.full((WIDTH, 4), 0.25)), "seq of chr2:200 is not one-hot"),
    ],
)
def test_what_is_no_pickle_of_contributions_is_named(tmp_path: Path, value: object, said: str) -> None:
    source = write(tmp_path / "p", value)
    with pytest.raises(InterpretError, match=rf"{source}.* {said}|{source}: {said}"):
        convert_pickle(source, tmp_path / "q", chrom_sizes=SIZES)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_damaged_pickle_is_an_error(tmp_path: Path, share: float) -> None:
    source = write(tmp_path / "p", content())
    data = source.read_bytes()
    source.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InterpretError, match="p cannot be read as a pickle"):
        convert_pickle(source, tmp_path / "q", chrom_sizes=SIZES)


def test_no_byte_that_is_wrong_gives_another_error(tmp_path: Path) -> None:
    source = write(tmp_path / "p", content())
    data = np.frombuffer(source.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(300):
        wrong = data.copy()
        wrong[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        source.write_bytes(wrong.tobytes())
        with suppress(InterpretError):
            convert_pickle(source, tmp_path / "q", chrom_sizes=SIZES)


def test_reading_contributions_says_what_to_do_with_a_pickle(tmp_path: Path) -> None:
    source = write(tmp_path / "p", content())
    with (
        pytest.raises(
            InterpretError, match=r"p is a pickle; .*kerasAC_bigwigs_from_deepshap --path_to_pickle .*p --ch"
        ),
        open_contributions(source),
    ):
        pass
