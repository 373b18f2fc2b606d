"""A race gives its epochs to good configurations, and decides by what was recorded alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from kerasac.config.space import Racing, Space
from kerasac.runs.race import Level, Race, Step, halving_levels, levels_of, raced_epochs

EPOCHS = 12
Loss = Callable[[str, int, int], float]


def simulated(n: int, *, seed: int, noise: float = 0.01) -> Loss:
    """Return losses of n configurations whose best is number 0: they fall with epochs, and differ by fold."""
    rng = np.random.default_rng(seed)
    floor = 0.5 + 0.02 * np.arange(n)
    folds = rng.normal(0, 0.1, size=100)  # larger than what configurations differ by, but the same for all of them
    unit_noise = rng.normal(0, noise, size=(n, 100))

    def loss(trial: str, unit: int, epochs: int) -> float:
        k = int(trial)
        return float(floor[k] + folds[unit] + unit_noise[k, unit] + 0.5 * math.exp(-epochs / 3))

    return loss


def run(race: Race, loss: Loss, *, parallel: int = 1) -> dict[tuple[str, int], int]:
    """Do what a race asks for until nothing is left; returns the epochs that each unit got."""
    trained: dict[tuple[str, int], int] = {}
    while True:
        steps: list[Step] = []
        while len(steps) < parallel and (step := race.next_step()) is not None:
            steps.append(step)
        if not steps:
            return trained
        for step in reversed(steps):
            epochs = step.epochs or EPOCHS
            assert trained.get((step.trial, step.unit), 0) < epochs, "nothing is trained twice"
            trained[step.trial, step.unit] = epochs
            race.record(step, loss(step.trial, step.unit, epochs), complete=step.epochs is None)


def race_of(n: int, units: int = 6, **how: object) -> Race:
    space = Space((), **how)  # type: ignore[arg-type]
    race = Race(levels_of(space, units, EPOCHS), race=space.race, prune=space.prune, wide=space.prune is None)
    for k in range(n):
        race.add(str(k))
    return race


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [6, 12, 36])
def test_racing_finds_the_grids_winner_with_at_most_two_fifths_of_its_epochs(n: int, seed: int) -> None:
    loss = simulated(n, seed=seed)
    grid, race = race_of(n), race_of(n, race=Racing())
    whole, raced = run(grid, loss), run(race, loss)
    assert sum(whole.values()) == n * 6 * EPOCHS
    assert sum(raced.values()) <= 0.4 * sum(whole.values())
    assert sum(raced.values()) == raced_epochs(Racing(), race.levels, n, EPOCHS)
    complete = {trial: race.standing(trial)[1] for trial in race.trials if race.is_complete(trial)}
    assert len(complete) == 2
    best = grid.ranked()[0]
    assert race.ranked()[0] == best
    assert complete[best] == pytest.approx(grid.standing(best)[1])


def test_levels_are_of_more_folds_first_and_of_more_epochs_then() -> None:
    assert halving_levels(Racing(), 6, 40) == ((1, 10), (2, 10), (4, 10), (6, 10), (6, 20), (6, None))
    assert halving_levels(Racing(eta=3, first_epochs=2), 3, 9) == ((1, 2), (3, 2), (3, 6), (3, None))
    assert halving_levels(Racing(), 5, 2) == ((1, None), (2, None), (4, None), (5, None))
    assert halving_levels(Racing(), 1, 8) == ((1, 2), (1, 4), (1, None))


@pytest.mark.parametrize("how", [{"race": Racing()}, {}])
def test_decisions_do_not_depend_on_how_many_run_at_a_time(how: dict[str, object]) -> None:
    loss = simulated(9, seed=3)
    assert run(race_of(9, **how), loss) == run(race_of(9, **how), loss, parallel=7)


def test_a_race_that_is_taken_up_again_decides_as_an_undisturbed_one() -> None:
    loss = simulated(8, seed=1)
    whole, cut = race_of(8, race=Racing()), race_of(8, race=Racing())
    undisturbed = run(whole, loss)
    done: dict[Step, float] = {}
    for _ in range(7):
        step = cut.next_step()
        assert step is not None
        done[step] = loss(step.trial, step.unit, step.epochs or EPOCHS)
        cut.record(step, done[step], complete=step.epochs is None)
    again = race_of(8, race=Racing())
    for step, value in reversed(done.items()):
        again.record(step, value, complete=step.epochs is None)
    rest = run(again, loss)
    assert {**{(s.trial, s.unit): s.epochs for s in done}, **rest} == undisturbed


def test_a_training_that_ended_before_the_epochs_of_its_level_counts_for_all_levels() -> None:
    race = race_of(1, units=1, race=Racing())
    step = race.next_step()
    assert step == Step("0", 0, 3)
    race.record(step, 0.4, complete=True)
    assert race.is_complete("0")
    assert race.next_step() is None


def test_a_configuration_that_fails_frees_its_place_and_undefined_scores_go_no_further() -> None:
    race = race_of(4, race=Racing())
    for value in (0.1, 0.2, math.inf, None):
        step = race.next_step()
        assert step is not None
        if value is None:
            race.fail(step)
        else:
            race.record(step, value, complete=False)
    second = {race.next_step(), race.next_step()}
    assert {step.trial for step in second if step} == {"0", "1"}
    assert race.next_step() is None
    assert race.is_dropped("2")
    assert [race.is_out(trial) for trial in race.trials] == [False, False, True, False]
    assert not race.is_dropped("3"), "it failed"


def test_nobody_is_out_of_a_race_before_its_level_is_settled() -> None:
    race = race_of(3, race=Racing(finalists=1))
    steps = [race.next_step() for _ in range(3)]
    for step, value in zip(steps[:2], (0.1, 0.9), strict=True):
        assert step is not None
        race.record(step, value, complete=False)
    assert not any(race.is_out(trial) for trial in race.trials)
    assert steps[2] is not None
    race.record(steps[2], 0.2, complete=False)
    assert [race.is_out(trial) for trial in race.trials] == [False, True, False]


def test_the_median_drops_the_worse_half_once_enough_are_known() -> None:
    race = race_of(8, units=3, prune="median")
    trained = run(race, lambda trial, unit, epochs: float(trial))
    n_units = [sum(trial == str(k) for trial, _ in trained) for k in range(8)]
    assert n_units == [3, 3, 3, 3, 1, 1, 1, 1]
    assert [race.is_dropped(str(k)) for k in range(8)] == [False] * 4 + [True] * 4


@pytest.mark.parametrize("n", [1, 2, 16])
def test_asha_ends_with_a_complete_configuration_and_spares_the_bad_ones(n: int) -> None:
    race = race_of(n, units=4, prune="asha")
    trained = run(race, simulated(n, seed=2))
    complete = [trial for trial in race.trials if race.is_complete(trial)]
    assert complete
    assert len(trained) == 4 if n == 1 else len(trained) < 4 * n
    assert n < 16 or len(trained) < 0.6 * 4 * n


def test_what_is_running_is_not_given_out_again_and_what_was_stopped_is() -> None:
    race = race_of(2, units=1)
    first, second = race.next_step(), race.next_step()
    assert first is not None
    assert second is not None
    assert race.next_step() is None
    race.release(first)
    assert race.next_step() == first


def test_levels_without_a_race_ask_for_everything_at_once() -> None:
    assert levels_of(Space(()), 6, 12) == (Level(6, None),)
