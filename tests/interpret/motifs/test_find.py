from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from contributions_made import with_motif, write_contributions
from modisco_made import Made, padded, write_modisco
from pages import page_text

from kerasac.errors import GenomeError, InterpretError
from kerasac.genome.simulate.motifs import MOTIFS
from kerasac.interpret.contributions import open_contributions
from kerasac.interpret.motifs import extra
from kerasac.interpret.motifs.choices import Group
from kerasac.interpret.motifs.find import MotifRequest, find_motifs
from kerasac.interpret.motifs.meme import read_meme, write_meme
from kerasac.interpret.motifs.modisco import ModiscoSpec, modisco
from kerasac.interpret.motifs.patterns import read_patterns
from kerasac.interpret.motifs.trim import Trim

pytest.importorskip("modiscolite")
pytest.importorskip("memelite")

PLANTED = "GTTACCCGT"  # of the motif REB1-like


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("meme") / "planted.meme"
    write_meme(path, {name: motif.pwm for name, motif in MOTIFS.items()})
    return path


def silent(line: str) -> None:
    """Say nothing."""


@pytest.mark.slow
def test_a_planted_motif_is_found_named_and_located(tmp_path: Path, database: Path) -> None:
    tokens, hypothetical, starts = with_motif(600, 120, PLANTED, height=0.1)
    path = write_contributions(tmp_path / "c.h5", tokens, hypothetical, sizes={"chr1": 600 * 120})
    said: list[str] = []
    spec = ModiscoSpec(window_bp=100, threads=1)
    request = MotifRequest(tmp_path / "out", path, spec=spec, database=database)
    found = find_motifs(request, said.append)
    (motif,) = found.motifs
    assert motif.known is not None
    assert motif.known.name == "REB1-like"
    assert motif.pattern.n_seqlets > 50
    assert not found.kept
    assert said
    assert (tmp_path / "out" / "modisco.h5.log").stat().st_size
    # Windows are searched in a random order, and their rows are put back: seqlets lie on the planted places.
    rows = [line.split("\t") for line in (tmp_path / "out" / "seqlets.bed").read_text().splitlines()]
    planted = {120 * i + at for i, at in enumerate(starts.tolist())}
    middles = np.array([(int(row[1]) + int(row[2])) / 2 for row in rows])
    distance = np.abs(middles[:, None] - (np.array(sorted(planted)) + len(PLANTED) / 2)).min(axis=1)
    assert (distance <= 2).mean() > 0.95
    again = find_motifs(request)
    assert again.kept
    assert again.motifs[0].pattern.n_seqlets == motif.pattern.n_seqlets
    other = MotifRequest(tmp_path / "out", path, spec=ModiscoSpec(window_bp=80), database=database)
    with pytest.raises(InterpretError, match=r"modisco\.h5 is of other contributions or settings"):
        find_motifs(other)


@pytest.mark.slow
def test_too_few_seqlets_are_said(tmp_path: Path, database: Path) -> None:
    tokens, hypothetical, _ = with_motif(30, 120, PLANTED)
    path = write_contributions(tmp_path / "c.h5", tokens, hypothetical)
    found = find_motifs(MotifRequest(tmp_path / "out", path, spec=ModiscoSpec(100, threads=1), database=database))
    assert not found.motifs
    assert "more than 100 seqlets" in found.why_none
    assert "more than 100 seqlets" in page_text(found.page)
    assert not (tmp_path / "out" / "motifs.meme").exists()


def patterns(path: Path, names: tuple[str, ...] = ("REB1-like", "CTCF-like")) -> Path:
    made = {
        f"pos_patterns/pattern_{i}": Made(
            padded(MOTIFS[name].pwm, 3, 3), [(i, 5, 11 + len(MOTIFS[name].pwm), False)] * 30
        )
        for i, name in enumerate(names)
    }
    return write_modisco(path, made, window_bp=100)


def test_patterns_that_are_there_are_named_without_modisco(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerasac.interpret.motifs.find.modisco", None)
    path = patterns(tmp_path / "m.h5")
    found = find_motifs(MotifRequest(tmp_path / "out", patterns=path, database=database))
    assert [motif.known.name for motif in found.motifs if motif.known] == ["REB1-like", "CTCF-like"]
    assert found.kept
    assert found.n_seqlets is None
    assert list(read_meme(tmp_path / "out" / "motifs.meme")) == ["pos_patterns.pattern_0", "pos_patterns.pattern_1"]
    assert not (tmp_path / "out" / "seqlets.bed").exists()


def test_with_contributions_beside_them_patterns_have_places(tmp_path: Path, database: Path) -> None:
    tokens, hypothetical, _ = with_motif(2, 120, PLANTED)
    path = write_contributions(tmp_path / "c.h5", tokens, hypothetical)
    request = MotifRequest(tmp_path / "out", path, patterns(tmp_path / "m.h5"), database=database)
    assert find_motifs(request).n_seqlets == 60


def test_what_an_earlier_run_left_is_gone(tmp_path: Path, database: Path) -> None:
    two = MotifRequest(tmp_path / "out", patterns=patterns(tmp_path / "m.h5"), database=database)
    find_motifs(two)
    (tmp_path / "out" / "matrices" / "mine.txt").write_text("")
    options: Any = {"database": database, "overwrite": True}
    find_motifs(MotifRequest(tmp_path / "out", patterns=patterns(tmp_path / "n.h5", ("REB1-like",)), **options))
    assert {path.stem for path in (tmp_path / "out" / "matrices").iterdir()} == {"pos_patterns.pattern_0", "mine"}
    none = MotifRequest(tmp_path / "out", patterns=write_modisco(tmp_path / "o.h5", {}), **options)
    assert find_motifs(none).why_none
    assert not (tmp_path / "out" / "motifs.meme").exists()


def test_results_of_other_patterns_are_not_replaced(tmp_path: Path, database: Path) -> None:
    def ask(path: Path, out: Path, **options: Any) -> MotifRequest:
        return MotifRequest(out, patterns=path, database=database, **options)

    first, other = patterns(tmp_path / "m.h5"), patterns(tmp_path / "n.h5", ("REB1-like",))
    find_motifs(ask(first, tmp_path / "out"))
    before = (tmp_path / "out" / "motifs.tsv").read_text()
    find_motifs(ask(first, tmp_path / "out", trim=Trim(0.5)))
    with pytest.raises(InterpretError, match=r"motifs\.html is of other patterns than .*n\.h5"):
        find_motifs(ask(other, tmp_path / "out"))
    assert (tmp_path / "out" / "motifs.tsv").exists()
    find_motifs(ask(other, tmp_path / "out", overwrite=True))
    assert (tmp_path / "out" / "motifs.tsv").read_text() != before
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "seqlets.bed").write_text("theirs")
    with pytest.raises(InterpretError, match=r"seqlets\.bed is of other patterns"):
        find_motifs(ask(first, tmp_path / "theirs"))


def test_results_beside_modisco_s_file_are_of_it_where_nothing_says_so(tmp_path: Path, database: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    request = MotifRequest(out, patterns=patterns(out / "modisco.h5"), database=database)
    find_motifs(request)
    (out / "motifs.json").unlink()  # as an earlier version left it
    find_motifs(request)
    (out / "motifs.json").unlink()
    with pytest.raises(InterpretError, match="is of other patterns"):
        find_motifs(replace(request, patterns=patterns(tmp_path / "n.h5", ("REB1-like",))))


@pytest.mark.parametrize(
    ("row", "window_bp", "said"),
    [
        (2, 100, r"m\.h5 is of 3 windows or more, 100 bases of each; .*c\.h5 has 2 of 120 bases"),
        (1, 400, r"m\.h5 is of 2 windows or more, 400 bases of each; .*c\.h5 has 2 of 120 bases"),
    ],
)
def test_contributions_that_patterns_are_not_of_are_refused_before_anything_is_removed(
    row: int, window_bp: int, said: str, tmp_path: Path, database: Path
) -> None:
    tokens, hypothetical, _ = with_motif(2, 120, PLANTED)
    path = write_contributions(tmp_path / "c.h5", tokens, hypothetical)
    pwm = MOTIFS["REB1-like"].pwm
    made = {"pos_patterns/pattern_0": Made(padded(pwm, 3, 3), [(row, 5, 11 + len(pwm), False)])}
    request = MotifRequest(
        tmp_path / "out", patterns=write_modisco(tmp_path / "m.h5", made, window_bp=window_bp), database=database
    )
    find_motifs(request)
    before = {one: one.read_bytes() for one in (tmp_path / "out").rglob("*") if one.is_file()}
    with pytest.raises(InterpretError, match=said):
        find_motifs(replace(request, contributions=path, overwrite=True))
    assert {one: one.read_bytes() for one in (tmp_path / "out").rglob("*") if one.is_file()} == before


def test_chrombpnets_windows_need_no_places(tmp_path: Path, database: Path) -> None:
    tokens, hypothetical, _ = with_motif(2, 120, PLANTED)
    ours = write_contributions(tmp_path / "c.h5", tokens, hypothetical)
    with h5py.File(ours) as file, h5py.File(tmp_path / "theirs.h5", "w") as other:
        other["raw/seq"] = file["input_seqs"][:].transpose(0, 2, 1)
        other["shap/seq"] = file["hyp_scores"][:].transpose(0, 2, 1).astype(np.float16)
    request = MotifRequest(tmp_path / "out", tmp_path / "theirs.h5", patterns(tmp_path / "m.h5"), database=database)
    assert find_motifs(request).n_seqlets is None


def test_what_modisco_reads_is_the_middle_of_every_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake modisco keeps what it was given; each window has its number as its contributions."""
    n, width, window = 2500, 12, 4
    tokens = np.zeros((n, width), dtype=np.uint8)
    hypothetical = np.arange(n)[:, None, None] * 100 + np.arange(width)[None, :, None] + np.zeros((n, width, 4))
    path = write_contributions(tmp_path / "c.h5", tokens, hypothetical, sizes={"chr1": n * width})
    given: dict[str, np.ndarray] = {}

    def fake(arguments: list[str], folder: Path, out: Path, *rest: Any) -> None:
        given.update({name: np.load(folder / f"{name}.npy") for name in ("contributions", "sequences")})
        made = {"pos_patterns/pattern_0": Made(np.full((4, 4), 0.25), [(i, 0, 4, False) for i in range(n)])}
        write_modisco(out, made)

    monkeypatch.setattr("kerasac.interpret.motifs.modisco._run", fake)
    with open_contributions(path) as contributions:
        modisco(contributions, path, tmp_path / "m.h5", ModiscoSpec(window_bp=window), say=silent)
    rows = given["contributions"][:, 0, 0].astype(int) // 100
    assert sorted(rows) == list(range(n))
    assert (np.diff(rows) != 1).mean() > 0.9
    np.testing.assert_array_equal(given["contributions"][0, 0] % 100, [4, 5, 6, 7])
    assert given["sequences"].shape == (n, 4, window)
    assert (given["sequences"][:, 0] == 1).all()
    (pattern,) = read_patterns(tmp_path / "m.h5").patterns
    assert pattern.seqlets is not None
    np.testing.assert_array_equal(pattern.seqlets.row, rows)
    assert not list(tmp_path.glob(".modisco*"))


@pytest.mark.parametrize("status", [3, 0])
def test_a_modisco_that_fails_is_quoted_and_leaves_nothing(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, hypothetical, _ = with_motif(5, 120, PLANTED)
    path = write_contributions(tmp_path / "c.h5", tokens, hypothetical)
    monkeypatch.setattr("kerasac.interpret.motifs.modisco._COMMAND", f"print('no luck'); raise SystemExit({status})")
    with (
        open_contributions(path) as contributions,
        pytest.raises(InterpretError, match=rf"status {status}; .*\.log has all.*\nno luck"),
    ):
        modisco(contributions, path, tmp_path / "m.h5", ModiscoSpec(window_bp=100), say=silent)
    assert {one.name for one in tmp_path.iterdir()} == {"c.h5", "m.h5.log"}


def test_what_modisco_started_ends_when_it_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, hypothetical, _ = with_motif(5, 120, PLANTED)
    path = write_contributions(tmp_path / "c.h5", tokens, hypothetical)
    started = "import os, time; os.fork(); os.write(1, b'%d\\n' % os.getpid()); time.sleep(60)"
    monkeypatch.setattr("kerasac.interpret.motifs.modisco._COMMAND", started)
    processes: list[int] = []

    def interrupt(line: str) -> None:
        processes.extend([int(line)] if line.isdigit() else [])
        if len(processes) == 2:
            raise KeyboardInterrupt

    with open_contributions(path) as contributions, pytest.raises(KeyboardInterrupt):
        modisco(contributions, path, tmp_path / "m.h5", ModiscoSpec(window_bp=100), say=interrupt)
    assert len(processes) == 2
    deadline = time.monotonic() + 10
    while any(is_running(one) for one in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(one) for one in processes)
    assert not (tmp_path / "m.h5").exists()


def is_running(process: int) -> bool:
    """Whether a process is there and is no zombie that nobody waited for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def request(folder: Path, **change: Any) -> MotifRequest:
    tokens, hypothetical, _ = with_motif(5, 120, PLANTED, height=change.pop("height", 1.0))
    if change.pop("odd", False):
        hypothetical[3, 60] = np.nan
    path = write_contributions(folder / "c.h5", tokens, hypothetical)
    return MotifRequest(**{"out": folder / "out", "contributions": path, "group": Group.UROCHORDATES, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contributions": None}, "give a file of contributions"),
        ({"contributions": Path("none.h5")}, "none.h5 does not exist"),
        ({"patterns": Path("none.h5")}, "none.h5 does not exist"),
        ({"database": Path("none.meme")}, "none.meme does not exist"),
        ({"n_matches": 0}, "--matches is 0"),
        ({"spec": ModiscoSpec(400)}, "--window 400 is wider than the windows of .*c.h5, 120 bases"),
        ({"height": 0.0, "spec": ModiscoSpec(100)}, "all contributions in the middle 100 bases are 0"),
        ({"odd": True, "spec": ModiscoSpec(100)}, "contributions of window 3 are not finite"),
    ],
)
def test_mistakes_are_said_before_modisco_runs(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((InterpretError, GenomeError), match=message):
        find_motifs(request(tmp_path, **change))
    assert not (tmp_path / "out" / "modisco.h5").exists()


def test_a_spec_that_cannot_be_meant_is_said() -> None:
    with pytest.raises(InterpretError, match="--max-seqlets is 0; give 1 or more"):
        ModiscoSpec(max_seqlets=0)


def test_missing_packages_are_named_with_the_way_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(
        InterpretError, match=r"memelite, pyjaspar, modisco-lite .* pip install 'kerasac-ray\[motifs\]'"
    ):
        find_motifs(request(tmp_path, spec=ModiscoSpec(100)))
