from __future__ import annotations

import warnings

import numpy as np
import pytest

from kerasac.genome.simulate.motifs import MOTIFS
from kerasac.interpret.motifs.choices import Group
from kerasac.interpret.motifs.databases import Database, jaspar, meme_database
from kerasac.interpret.motifs.matching import Q_LIMIT, match
from kerasac.interpret.motifs.meme import write_meme

pytest.importorskip("memelite")
pytest.importorskip("pyjaspar")


@pytest.fixture(scope="module")
def fungi() -> Database:
    return jaspar(Group.FUNGI)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("meme") / "planted.meme"
    write_meme(path, {name: motif.pwm for name, motif in MOTIFS.items()})
    return meme_database(path)


def test_jaspar_has_the_newest_version_of_each_motif_of_a_group(fungi: Database) -> None:
    assert fungi.title == "JASPAR2024 CORE, fungi"
    names = [name.split()[0].split(".")[0] for name in fungi.motifs]
    assert len(names) == len(set(names)) > 150
    assert all(abs(matrix.sum(axis=1) - 1).max() < 1e-9 for matrix in fungi.motifs.values())


@pytest.mark.parametrize("factor", ["REB1", "ABF1", "RAP1"])
def test_yeast_factors_are_matched_to_themselves_on_either_strand(factor: str, fungi: Database) -> None:
    (name,) = (one for one in fungi.motifs if one.endswith(f" {factor}"))
    matrix = fungi.motifs[name]
    blurred = 0.9 * matrix + 0.025
    for forward, (nearest, *_) in zip((True, False), match([blurred, blurred[::-1, ::-1]], fungi), strict=True):
        assert nearest.name == name
        assert nearest.q < 1e-4
        assert nearest.is_reverse is not forward
        assert nearest.offset == 0
        np.testing.assert_allclose(nearest.probabilities, matrix if forward else matrix[::-1, ::-1])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cut", [(0, 0), (3, 0), (0, 3), (2, 2)])
def test_a_match_lies_where_its_offset_says(cut: tuple[int, int], reverse: bool, simulated: Database) -> None:
    whole = simulated.motifs["CTCF-like"]
    seen = whole[::-1, ::-1] if reverse else whole
    query = seen[cut[0] : len(seen) - cut[1]]
    ((nearest, *_),) = match([query], simulated)
    assert nearest.name == "CTCF-like"
    assert nearest.offset == -cut[0]
    np.testing.assert_allclose(nearest.probabilities[cut[0] :][: len(query)], query)
    longer = np.concatenate([np.full((4, 4), 0.25), seen])
    assert match([longer], simulated)[0][0].offset == 4


def test_planted_motifs_of_a_small_database_are_matched_to_their_own_names(simulated: Database) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = match(list(simulated.motifs.values()), simulated, n_best=5)
    assert [nearest[0].name for nearest in found] == list(MOTIFS)
    assert all(nearest[0].q < Q_LIMIT / 10 for nearest in found)
    assert all(len(nearest) == 5 for nearest in found)
    assert all(other.name in MOTIFS for nearest in found for other in nearest)


def test_a_motif_of_no_known_one_is_not_named(simulated: Database) -> None:
    ((nearest, *_),) = match([0.9 * np.eye(4)[[1, 0] * 5] + 0.025], simulated)
    assert nearest.q > Q_LIMIT


def test_q_is_p_corrected_for_the_motifs_of_the_database(simulated: Database) -> None:
    ((first, second, *_),) = match([simulated.motifs["AP1-like"]], simulated, n_best=2)
    assert first.q == pytest.approx(min(first.p * 5, 1), rel=1e-6)
    assert first.p <= first.q <= second.q


def test_nothing_to_match_is_no_error(simulated: Database) -> None:
    assert match([], simulated) == []
