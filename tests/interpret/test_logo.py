from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from kerasac.errors import InterpretError
from kerasac.interpret.plots.logo import COLORS, draw_logo, information_heights


def drawn(heights: np.ndarray, **options: int) -> tuple[dict[str, PathPatch], Figure]:
    figure = Figure()
    axes = figure.subplots()
    draw_logo(axes, heights, **options)
    letters = {color: letter for letter, color in COLORS.items()}
    patches = [patch for patch in axes.get_children() if isinstance(patch, PathPatch)]
    return {letters[to_hex(patch.get_facecolor()).upper()]: patch for patch in patches}, figure


def bounds(patch: PathPatch) -> list[float]:
    """Left, right, lower and upper end."""
    ends = patch.get_path().get_extents()
    return [ends.x0, ends.x1, ends.y0, ends.y1]


def test_a_letter_is_as_high_as_its_value_and_stands_at_its_position() -> None:
    heights = np.zeros((3, 4))
    heights[1, 2] = 0.5
    patches, _ = drawn(heights, start=100)
    assert list(patches) == ["G"]
    left, right, low, high = bounds(patches["G"])
    assert 101 <= left < right <= 102
    assert (low, high) == pytest.approx((0, 0.5))


def test_letters_are_stacked_by_sign_the_largest_furthest_from_zero() -> None:
    patches, _ = drawn(np.array([[2.0, 1.0, -3.0, -0.5]]))
    ends = {letter: bounds(patch)[2:] for letter, patch in patches.items()}
    assert ends["C"] == pytest.approx([0, 1])
    assert ends["A"] == pytest.approx([1, 3])
    assert ends["T"] == pytest.approx([-0.5, 0])
    assert ends["G"] == pytest.approx([-3.5, -0.5])


def test_letters_below_zero_are_upside_down() -> None:
    up, _ = drawn(np.array([[1.0, 0, 0, 0]]))
    down, _ = drawn(np.array([[-1.0, 0, 0, 0]]))
    vertices = np.array(up["A"].get_path().vertices)
    np.testing.assert_allclose(np.array(down["A"].get_path().vertices), vertices * [1, -1])


def test_a_letter_is_one_path_however_often_it_is_there() -> None:
    rng = np.random.default_rng(0)
    patches, figure = drawn(np.eye(4)[rng.integers(0, 4, 500)] * rng.normal(size=(500, 1)))
    assert sorted(patches) == list("ACGT")
    assert len([one for one in figure.axes[0].get_children() if isinstance(one, PathPatch)]) == 4


def test_limits_hold_all_that_is_drawn() -> None:
    _, figure = drawn(np.array([[2.0, 1.0, 0, 0], [0, 0, -4.0, -1.0]]), start=7)
    (axes,) = figure.axes
    assert axes.get_xlim() == (7, 9)
    low, high = axes.get_ylim()
    assert low <= -5 < 3 <= high


def test_nothing_to_draw_is_no_error() -> None:
    patches, figure = drawn(np.zeros((0, 4)))
    assert not patches
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("heights", "message"),
    [
        (np.zeros((4, 9)), r"shape \(4, 9\); expected \(positions, 4\)"),
        (np.full((1, 4), np.nan), "position 0 of a logo"),
    ],
)
def test_what_is_no_logo_is_said(heights: np.ndarray, message: str) -> None:
    with pytest.raises(InterpretError, match=message):
        draw_logo(Figure().subplots(), heights)


def test_a_thousand_bases_take_less_than_half_a_second() -> None:
    rng = np.random.default_rng(0)
    heights = np.eye(4)[rng.integers(0, 4, 1000)] * rng.normal(size=(1000, 1))
    figure = Figure(figsize=(20, 2))
    axes = figure.subplots()
    started = time.process_time()
    draw_logo(axes, heights)
    figure.canvas.draw()
    assert time.process_time() - started < 0.5


def test_information_is_two_bits_where_one_base_is_sure_and_none_where_all_are_even() -> None:
    heights = information_heights(np.array([[0, 1, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]]))
    np.testing.assert_allclose(heights, [[0, 2, 0, 0], [0] * 4, [0.5, 0.5, 0, 0]], atol=1e-12)


def test_information_is_relative_to_the_background() -> None:
    background = np.array([0.3, 0.2, 0.2, 0.3])
    np.testing.assert_allclose(information_heights(background[None], background), 0, atol=1e-12)


# What is seen without one of the cones, of linear RGB; Machado, Oliveira & Fernandes 2009, severity 1.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(color: str) -> np.ndarray:
    values = np.array(to_rgb(color))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    x, y, z = np.cbrt(np.maximum(XYZ @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISIONS)
def test_bases_are_told_apart_with_any_colour_vision(vision: str) -> None:
    seen = [lab(np.array(VISIONS[vision]) @ linear(color)) for color in COLORS.values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 36


def test_bases_stand_out_from_white() -> None:
    assert all(1.05 / (XYZ[1] @ linear(color) + 0.05) >= 3 for color in COLORS.values())
