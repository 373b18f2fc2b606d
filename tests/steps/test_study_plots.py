import io
import itertools
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from studies_made import KEYS, raced, study, tried

from kerasac.steps.plots.study_curves import MAX_PANELS, loss_curves
from kerasac.steps.plots.study_importance import importance_bars
from kerasac.steps.plots.study_parallel import parallel_coordinates
from kerasac.steps.plots.study_race import race_bars
from kerasac.steps.plots.study_scale import scale_of
from kerasac.steps.study_importance import importance


def drawn(figure: Figure) -> np.ndarray:
    """The figure's pixels."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=60)
    file.seek(0)
    return imread(file)


def ink(figure: Figure) -> float:
    """Share of pixels that are not white."""
    return float((drawn(figure)[..., :3] < 0.9).any(axis=-1).mean())


def test_numbers_over_many_decades_lie_by_their_logarithms() -> None:
    scale = scale_of([0.0001, 0.001, 0.01])
    assert [scale.place(x) for x in (0.0001, 0.001, 0.01)] == pytest.approx([0, 0.5, 1])
    assert [text for _, text in scale.ticks] == ["0.0001", "0.001", "0.01"]


def test_numbers_close_together_lie_by_their_differences() -> None:
    scale = scale_of([32, 64, 128])
    assert [scale.place(x) for x in (32, 64, 128)] == pytest.approx([0, 1 / 3, 1])


def test_what_is_no_number_lies_beneath_in_slots() -> None:
    values = [None, "auto", [1, 2], 1, 10, 100]
    places = [scale_of(values).place(value) for value in values]
    assert places[0] == 0
    assert max(places[:3]) < min(places[3:])
    assert places[5] == 1
    assert len(set(places)) == 6


@pytest.mark.parametrize(
    "values", [range(300), np.geomspace(1e-5, 1, 300).tolist(), [0.1] * 3, [f"v{i}" for i in range(40)]]
)
def test_tick_labels_keep_apart(values) -> None:  # type: ignore[no-untyped-def]
    scale = scale_of(list(values))
    places = [place for place, _ in scale.ticks]
    assert all(b - a >= 0.07 for a, b in itertools.pairwise(places))
    assert all(0 <= place <= 1 for place in places)


@pytest.mark.parametrize("n", [1, 6, 40])
def test_every_figure_of_a_study_shows_something(n: int) -> None:
    result = raced(n)
    for figure in (parallel_coordinates(result), loss_curves(result), race_bars(result)):
        assert ink(figure) > 0.02


def test_many_configurations_of_eight_keys_can_be_drawn() -> None:
    keys = tuple(f"model.a_rather_long_key_{i}" for i in range(8))
    made = [
        tried(f"c{i}", [[i / 300]], rank=i + 1, values={key: i * j for j, key in enumerate(keys)}) for i in range(300)
    ]
    result = study(*made, keys=keys, better="higher")
    assert ink(parallel_coordinates(result)) > 0.02
    assert race_bars(result).get_figheight() < 9


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_best_is_at_the_top_of_the_last_axis(better: str) -> None:
    scores = (0.3, 0.5) if better == "lower" else (0.5, 0.3)
    made = [tried(f"c{i}", [[x]], rank=i + 1, values={"model.filters": i}) for i, x in enumerate(scores)]
    (ax,) = parallel_coordinates(study(*made, better=better)).axes
    best = next(line for line in ax.lines if line.get_label() == "best")
    assert best.get_ydata()[-1] == pytest.approx(1)


def test_the_loss_has_a_panel_a_configuration_up_to_twelve_and_always_the_default() -> None:
    made = [tried(f"c{i}", [[0.4 + i / 100]], rank=i + 1, is_default=i == 19) for i in range(20)]
    axes = [ax for ax in loss_curves(study(*made)).axes if ax.axison]
    assert len(axes) == MAX_PANELS
    assert axes[-1].get_title(loc="left").startswith("20. default")


@pytest.mark.parametrize(("keys", "n_scales"), [(("model.filters",), 1), (("loss.counts",), 3)])
def test_losses_of_other_weights_do_not_share_a_scale(keys: tuple[str, ...], n_scales: int) -> None:
    made = [tried(f"c{i}", [[0.4 + i]], rank=i + 1, values={keys[0]: i}) for i in range(3)]
    axes = [ax for ax in loss_curves(study(*made, keys=keys)).axes if ax.axison]
    assert len({ax.get_ylim() for ax in axes}) == n_scales


def test_the_race_stacks_the_folds_of_a_configuration() -> None:
    figure = race_bars(study(tried("a", [[0.5, 0.6], [0.5, 0.6]], epochs=5)))
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert widths == [10, 10]


@pytest.mark.parametrize("score", [None, math.nan])
def test_studies_without_scores_or_losses_can_be_drawn(score: float | None) -> None:
    failed = tried("a", [[score]], rank=None, state="failed", values={KEYS[0]: 1})
    result = study(failed, tried("b", [], rank=None, state="unfinished"), keys=KEYS)
    bars = importance_bars(importance(result), objective="x")
    for figure in (parallel_coordinates(result), loss_curves(result), race_bars(result), bars):
        assert ink(figure) > 0.005
