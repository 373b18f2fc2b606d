"""Motifs are written where they are said to be, both ways and scrambled, and their effects are summed up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerasac.errors import InterpretError
from kerasac.genome.assembly import Assembly
from kerasac.genome.sequence import encode, reverse_complement
from kerasac.interpret.backgrounds import chosen_centers, random_centers
from kerasac.interpret.effects import BinnedEffects, ProfileEffects, Target
from kerasac.interpret.marginal import Marginal, write_footprints, write_marginal, write_pairs
from kerasac.interpret.marginal_design import Design, Pair, pairs_of
from kerasac.interpret.motif_sites import Motif, check_motifs, motif_of_letters, motif_of_matrix, scrambled, write_sites

RNG = np.random.default_rng
WIDTH = 60
A, B = motif_of_letters("A", "TGACTCAG"), motif_of_letters("B", "RTNNC")
BACKGROUND = RNG(5).integers(0, 4, WIDTH).astype(np.uint8)


def test_letters_stand_for_their_bases_alike_and_n_for_what_is_there() -> None:
    sites = B.sites(400, RNG(0))
    assert set(sites[:, 0].tolist()) == {0, 2}
    assert 0.4 < (sites[:, 0] == 0).mean() < 0.6
    assert (sites[:, [1, 4]] == [3, 1]).all()
    assert (sites[:, 2:4] == 4).all()
    assert B.letters == "RTNNC"


def test_a_matrix_is_its_most_probable_bases_unless_sites_are_drawn() -> None:
    matrix = np.array([[0.7, 0.1, 0.1, 0.1], [0.0, 0.4, 0.6, 0.0]])
    plain, drawn = (motif_of_matrix("m", matrix, drawn=drawn).sites(1000, RNG(0)) for drawn in (False, True))
    assert np.array_equal(plain, np.tile(encode("AG"), (1000, 1)))
    assert abs((drawn[:, 0] == 0).mean() - 0.7) < 0.05
    assert abs((drawn[:, 1] == 1).mean() - 0.4) < 0.05


def test_positions_of_a_matrix_that_say_nothing_keep_the_background() -> None:
    motif = motif_of_matrix("m", np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0, 0, 0.5, 0.5]]), drawn=False)
    assert motif.letters == "ANG"
    assert motif.sites(2, RNG(0)).tolist() == [[0, 4, 2]] * 2
    with pytest.raises(InterpretError, match="nothing is there to be written"):
        motif_of_matrix("m", np.full((3, 4), 0.25), drawn=False)


def test_scrambled_sites_have_the_same_bases_and_leave_what_is_free() -> None:
    sites = B.sites(50, RNG(1))
    mixed = scrambled(sites, RNG(2))
    assert np.array_equal(np.sort(mixed, axis=1), np.sort(sites, axis=1))
    assert (mixed[:, 2:4] == 4).all()
    assert not np.array_equal(mixed, sites)


def test_n_of_a_site_keeps_the_background() -> None:
    sequences = np.tile(BACKGROUND, (2, 1))
    write_sites(sequences, encode("ANNC")[None].repeat(2, axis=0), 10)
    assert np.array_equal(sequences[0, 11:13], BACKGROUND[11:13])
    assert sequences[0, [10, 13]].tolist() == [0, 1]
    assert np.array_equal(np.delete(sequences[0], [10, 13]), np.delete(BACKGROUND, [10, 13]))


def test_each_condition_holds_what_it_is_named_for() -> None:
    design = Design((A, B), (Pair(0, 1, "-", 7),), WIDTH)
    found = design.sequences(BACKGROUND, RNG(0))
    assert len(found) == len(design.conditions) == 1 + 6 + 3
    assert np.array_equal(found[0], BACKGROUND)
    start = WIDTH // 2 - 4
    site = found[design.condition_of(0, "+")][start : start + 8]
    assert np.array_equal(site, encode("TGACTCAG"))
    back = found[design.condition_of(0, "-")][start : start + 8]
    assert np.array_equal(back, reverse_complement(site))
    mixed = found[design.condition_of(0, "scrambled")][start : start + 8]
    assert sorted(mixed.tolist()) == sorted(site.tolist())
    at = design.condition_of_pair(0)
    first, second, both = found[at : at + 3]
    left = WIDTH // 2 - (8 + 7 + 5) // 2
    assert np.array_equal(both[left : left + 8], encode("TGACTCAG"))
    assert np.array_equal(both[: left + 8], first[: left + 8])
    assert np.array_equal(both[left + 8 :], second[left + 8 :])
    assert np.array_equal(second[: left + 15], BACKGROUND[: left + 15])
    assert second[left + 15] == 2  # G, the complement of B's last C


def test_pairs_are_named_by_motifs_and_fit_into_the_input() -> None:
    pairs = pairs_of([("A", "B")], [0, 5], [A, B], WIDTH)
    assert [(pair.way, pair.spacing_bp) for pair in pairs] == [("+", 0), ("+", 5), ("-", 0), ("-", 5)]
    with pytest.raises(InterpretError, match="no motif is called 'C'"):
        pairs_of([("A", "C")], [5], [A, B], WIDTH)
    with pytest.raises(InterpretError, match="the model's input 60"):
        pairs_of([("A", "B")], [50], [A, B], WIDTH)


@pytest.mark.parametrize("letters", ["ACX", "", "NNN"])
def test_a_motif_that_is_none_is_named(letters: str) -> None:
    with pytest.raises(InterpretError, match=f"motif m={letters}"):
        motif_of_letters("m", letters)


def test_two_motifs_of_one_name_or_one_too_long_are_mistakes() -> None:
    with pytest.raises(InterpretError, match="two motifs are called 'A'"):
        check_motifs([A, A], WIDTH)
    with pytest.raises(InterpretError, match="has 60 bases"):
        check_motifs([motif_of_letters("long", "A" * 60)], WIDTH)


def test_backgrounds_stay_on_their_chromosome_and_have_no_n() -> None:
    assembly = Assembly(("a", "b"), (100, 50))
    genome = RNG(0).integers(0, 4, 150).astype(np.uint8)
    genome[40:45] = 4
    centers = random_centers(assembly, genome, 10, 300, RNG(1))
    assert len(centers) == 300
    starts, ends = centers - 10, centers + 10
    assert ((ends <= 40) | ((starts >= 45) & (ends <= 100)) | ((starts >= 100) & (ends <= 150))).all()
    given = np.array([20, 42, 70])
    assert chosen_centers(given, genome, 10, 4, RNG(2)).tolist() in ([20, 20, 70, 70], [20, 20, 70, 70])
    with pytest.raises(InterpretError, match="all 1 windows"):
        chosen_centers(given[1:2], genome, 10, 4, RNG(2))


def made(effects: Any, footprints: Any, *motifs: Motif, pairs: tuple[Pair, ...] = ()) -> Marginal:
    scores = ProfileEffects((Target("plus+minus", (0, 1)), Target("plus", (0,)), Target("minus", (1,))), "log", 1.0)
    return Marginal(Design(motifs, pairs, WIDTH), scores, ("plus", "minus"), effects, footprints)


def marginal_with_pair() -> Marginal:
    """Motif A does 1 forward, 3 in reverse and 0.5 scrambled, half a unit more or less in each of two backgrounds."""
    pair = (Pair(0, 1, "+", 5),)
    effects = np.zeros((2, 1, 10, 3, 6), dtype=np.float32)
    effects[:, 0, 1:4, :, 0] = np.array([[0.5, 2.5, 0.5], [1.5, 3.5, 0.5]])[:, :, None]
    effects[:, 0, 7:10, :, 0] = np.array([1.0, 2.0, 4.0])[None, :, None]
    footprints = np.full((7, 40, 2), 0.1)
    footprints[1] += RNG(0).random((40, 2))
    return made(effects, footprints, A, B, pairs=pair)


def rows_of(path: Path) -> list[dict[str, str]]:
    header, *lines = (line.split("\t") for line in path.read_text().splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_a_line_holds_means_over_backgrounds_and_their_errors(tmp_path: Path) -> None:
    write_marginal(tmp_path / "m.tsv", marginal_with_pair())
    rows = {(row["motif"], row["orientation"], row["task"]): row for row in rows_of(tmp_path / "m.tsv")}
    assert len(rows) == 2 * 3 * 3
    both = rows["A", "both", "plus+minus"]
    assert (both["log2fc"], both["log2fc_se"], both["log2fc_floor"]) == ("2", "0.5", "0.5")
    assert (both["log2fc_above_floor"], both["log2fc_models_sd"], both["n_backgrounds"]) == ("1.5", "NA", "2")
    assert rows["A", "-", "plus"]["log2fc"] == "3"


def test_synergy_is_beyond_the_sum(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p.tsv", marginal_with_pair())
    (row, *_) = rows_of(tmp_path / "p.tsv")
    assert (row["first"], row["second"], row["second_orientation"], row["spacing_bp"]) == ("A", "B", "+", "5")
    assert (row["log2fc_first"], row["log2fc_second"], row["log2fc_both"], row["synergy"]) == ("1", "2", "4", "1")


def test_footprints_name_their_axes(tmp_path: Path) -> None:
    import h5py

    marginal = marginal_with_pair()
    write_footprints(tmp_path / "f.h5", marginal, {"models": ["a.keras"]})
    with h5py.File(tmp_path / "f.h5") as file:
        np.testing.assert_allclose(file["counts"][:], marginal.footprints, rtol=1e-6)
        assert file["motif"].asstr()[:].tolist() == ["background", "A", "A", "A", "B", "B", "B"]
        assert file["orientation"].asstr()[:4].tolist() == [".", "+", "-", "scrambled"]
        assert file["position"][0] == -20


def test_figures_are_drawn_of_any_number_of_motifs_and_without_footprints(tmp_path: Path) -> None:
    from kerasac.interpret.plots.marginal import marginal_figure, pairs_figure

    many = [motif_of_letters(f"motif {i}", "ACGTTGCA") for i in range(40)]
    effects = RNG(0).normal(size=(3, 2, 121, 3, 6)).astype(np.float32)
    several = made(effects, RNG(0).random((121, 40, 2)), *many)
    binned = Marginal(Design((A,), (), WIDTH), BinnedEffects((Target("open", (0,)),), "classification"), ("open",),
                      RNG(0).normal(size=(1, 1, 4, 1, 3)).astype(np.float32), np.zeros((4, 0, 0)))  # fmt: skip
    for i, figure in enumerate(
        [marginal_figure(marginal_with_pair()), marginal_figure(several), marginal_figure(binned),
         pairs_figure(marginal_with_pair())]
    ):  # fmt: skip
        figure.savefig(tmp_path / f"{i}.png", dpi=40)
        assert (tmp_path / f"{i}.png").stat().st_size > 1000
