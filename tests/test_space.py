"""What a study tries is read from YAML or Python, and each mistake in it is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from kerasac.config import with_values
from kerasac.config.read_space import read_space
from kerasac.config.space import Axis, Racing, Space
from kerasac.errors import ConfigError

READY = sorted((Path(__file__).parents[1] / "tune").glob("*.yaml"))


def space(folder: Path, **document: Any) -> Space:
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return read_space(path)


def values(found: Space) -> list[dict[str, Any]]:
    return [one.values for one in found.configurations()]


def test_a_grid_is_every_combination_after_the_experiment_as_it_is(tmp_path: Path) -> None:
    found = space(tmp_path, parameters={"model.filters": [8, 16], "loss.counts": {"grid": ["auto", 3]}})
    assert values(found) == [
        {},
        {"model.filters": 8, "loss.counts": "auto"},
        {"model.filters": 8, "loss.counts": 3},
        {"model.filters": 16, "loss.counts": "auto"},
        {"model.filters": 16, "loss.counts": 3},
    ]
    assert [one.name for one in found.configurations()][:2] == ["default", "filters=8,counts=auto"]


def test_without_the_default_it_is_left_out_unless_there_is_nothing_else(tmp_path: Path) -> None:
    assert values(space(tmp_path, parameters={"a.b": [1]}, default=False)) == [{"a.b": 1}]
    assert values(space(tmp_path, seeds=[1, 2], default=False)) == [{}]


def test_a_conditional_key_is_set_only_where_its_condition_holds(tmp_path: Path) -> None:
    parameters = {
        "training.optimizer": ["adam", "sgd"],
        "training.momentum": {"grid": [0.5, 0.9], "when": {"training.optimizer": "sgd"}},
    }
    assert values(space(tmp_path, parameters=parameters, default=False)) == [
        {"training.optimizer": "adam"},
        {"training.optimizer": "sgd", "training.momentum": 0.5},
        {"training.optimizer": "sgd", "training.momentum": 0.9},
    ]


def test_conditions_may_hang_on_each_other_but_not_in_a_circle(tmp_path: Path) -> None:
    chain = {
        "c": {"grid": [5, 6], "when": {"b": 1}},
        "b": {"grid": [1, 2], "when": {"a": 1}},
        "a": [0, 1],
    }
    assert values(space(tmp_path, parameters=chain, default=False)) == [
        {"a": 0},
        {"c": 5, "b": 1, "a": 1},
        {"b": 2, "a": 1},
        {"c": 6, "b": 1, "a": 1},
    ]
    circle = {"a": {"grid": [1], "when": {"b": 1}}, "b": {"grid": [1], "when": {"a": 1}}}
    with pytest.raises(ConfigError, match="a, b: each has a when that waits for another"):
        space(tmp_path, parameters=circle).configurations()


RANDOM: dict[str, Any] = {
    "a": {"uniform": [1.0, 2.0]},
    "b": {"loguniform": [0.001, 10.0]},
    "c": {"integers": [3, 5]},
    "d": {"logintegers": [8, 512]},
    "e": {"choice": ["x", "y"]},
}


def test_drawn_values_lie_in_their_ranges_and_reach_both_ends(tmp_path: Path) -> None:
    drawn = values(space(tmp_path, parameters=RANDOM, trials=400, default=False))
    assert len(drawn) == 400
    columns = {key: [one[key] for one in drawn] for key in RANDOM}
    assert all(1 <= value <= 2 for value in columns["a"])
    assert all(0.001 <= value <= 10 for value in columns["b"])
    assert sum(value < 0.1 for value in columns["b"]) > 150  # half of the ratios lie below 0.1
    assert set(columns["c"]) == {3, 4, 5}
    assert min(columns["d"]) < 12
    assert max(columns["d"]) > 400
    assert set(columns["e"]) == {"x", "y"}


def test_a_longer_study_begins_with_the_trials_of_a_shorter_one(tmp_path: Path) -> None:
    short = values(space(tmp_path, parameters=RANDOM, trials=3))
    assert values(space(tmp_path, parameters=RANDOM, trials=6))[:4] == short
    assert values(space(tmp_path, parameters=RANDOM, trials=3, seed=1))[1:] != short[1:]


def test_names_are_short_unique_and_fit_for_folders(tmp_path: Path) -> None:
    parameters = {"inputs.sequence.flank": [100], "outputs.profile.flank": [50, 60], "x.y": [["a", "b/c"]]}
    names = [one.name for one in space(tmp_path, parameters=parameters).configurations()]
    assert len(set(names)) == 3
    assert all("/" not in name and len(name) <= 60 for name in names)
    alike = space(tmp_path, parameters={"a.b": {"grid": ["x y", "x_y"]}}, default=False)
    assert len({one.name for one in alike.configurations()}) == 2


def named(**parameters: Any) -> dict[str, dict[str, Any]]:
    """Return the values of a grid by the names of its configurations."""
    axes = tuple(Axis(key.replace("__", "."), "grid", tuple(listed)) for key, listed in parameters.items())
    trials = Space(axes, default=False).configurations()
    found = {one.name: one.values for one in trials}
    assert len(found) == len(trials)
    return found


def test_a_value_inserted_in_a_grid_leaves_long_names_to_their_values() -> None:
    long = {"training__learning_rate_of_the_first_epochs": [0.001], "model__dilations": [[2**k for k in range(12)], 3]}
    before = named(**long, loss__counts=[1, 10])
    wider = named(**long, loss__counts=[0.3, 1, 3, 10])
    assert before.items() <= wider.items()
    assert all(len(name) <= 60 and re.fullmatch(r"[\w.+,=-]+", name) for name in wider)
    assert sum(name.startswith("counts=10,dilations=1_2_4_8_16") for name in before) == 1, "its beginning can be read"


def test_a_long_name_is_the_same_for_equal_values_in_any_order() -> None:
    space = Space(())
    long = {"a.file": "/data/" + 70 * "x", "a.rate": 1, "a.parts": {"b": 1, "c": 2.0}}
    again = {"a.parts": {"c": 2, "b": 1.0}, "a.rate": 1.0, "a.file": "/data/" + 70 * "x"}
    assert space.trial(long, ()).name == space.trial(again, ()).name
    assert space.trial(long, ()).name != space.trial(long | {"a.rate": 2}, ()).name


def test_values_that_read_alike_do_not_swap_names_when_one_is_inserted() -> None:
    both = named(a__b=["x y", "x_y"])
    assert named(a__b=["x_y", "x y"]) == both
    assert named(a__b=["z", "x_y", "x y"]) == both | {"b=z": {"a.b": "z"}}


def test_a_search_names_what_reads_alike_by_its_values(tmp_path: Path) -> None:
    space = Space(())
    first = space.trial({"a.b": "x y"}, ())
    second = space.trial({"a.b": "x_y"}, [first])
    assert first.name == "b=x_y"
    assert second.name.startswith("b=x_y-")


CHOSEN = Axis("model.a", "choice", ("w", "x", "y", "z"))
OTHER = Axis("model.b", "choice", ("w", "x", "y", "z"))
RANGE = Axis("model.c", "uniform", (0.0, 1.0))
N = 4000


def drawn(axis: Axis, *, seed: int = 0) -> list[Any]:
    return [axis.draw(seed, trial) for trial in range(N)]


def columns(*axes: Axis) -> dict[str, list[Any]]:
    found = [one.values for one in Space(axes, "random", trials=50, default=False).configurations()]
    return {axis.key: [values[axis.key] for values in found] for axis in axes}


@pytest.mark.parametrize(
    "changed",
    [
        (RANGE, OTHER),
        (RANGE, OTHER, CHOSEN, Axis("model.d", "integers", (1, 9))),
        (Axis(CHOSEN.key, "choice", ("v",)), OTHER, RANGE),
        (Axis(CHOSEN.key, "loguniform", (1, 5)), Axis(OTHER.key, "choice", ("z", "x", "w", "y")), RANGE),
    ],
)
def test_what_is_drawn_of_a_key_does_not_depend_on_other_keys(changed: tuple[Axis, ...]) -> None:
    before, after = columns(CHOSEN, OTHER, RANGE), columns(*changed)
    assert after[RANGE.key] == before[RANGE.key]
    assert after[OTHER.key] == before[OTHER.key], "nor on the order of values"


def test_a_value_added_to_a_choice_changes_only_the_draws_that_it_wins() -> None:
    before = drawn(CHOSEN)
    after = drawn(Axis(CHOSEN.key, "choice", ("w", "new", "x", "y", "z")))
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(changed) == {"new"}
    assert abs(len(changed) - N / 5) < 5 * np.sqrt(N * 0.2 * 0.8)


def test_draws_are_uniform_and_independent_of_key_trial_and_seed() -> None:
    """Within five standard deviations of what independent draws come to."""
    of_four = 5 * np.sqrt(N / 4 * 3 / 4)
    assert all(abs(drawn(CHOSEN).count(value) - N / 4) < of_four for value in CHOSEN.values)
    same = [
        sum(a == b for a, b in zip(drawn(CHOSEN), other, strict=False))
        for other in (drawn(OTHER), drawn(CHOSEN, seed=1), drawn(CHOSEN)[1:])
    ]
    assert all(abs(n - N / 4) < of_four for n in same)

    shares = np.array(drawn(RANGE))
    assert np.all(np.abs(np.histogram(shares, bins=10, range=(0, 1))[0] - N / 10) < 5 * np.sqrt(N * 0.1 * 0.9))
    others = (
        drawn(Axis("model.other", "uniform", (0.0, 1.0))),
        drawn(RANGE, seed=1),
        np.roll(shares, 1),
        np.array(drawn(CHOSEN)) == "w",
    )
    assert all(abs(np.corrcoef(shares, other)[0, 1]) < 5 / np.sqrt(N) for other in others)
    integers = drawn(Axis("n", "integers", (3, 6)))
    assert all(abs(integers.count(value) - N / 4) < of_four for value in range(3, 7))


def test_a_value_listed_twice_is_drawn_twice_as_often() -> None:
    n = drawn(Axis("a", "choice", ("x", "y", "x"))).count("x")
    assert abs(n - N * 2 / 3) < 5 * np.sqrt(N * 2 / 9)


def test_a_grid_is_drawn_as_a_choice_is_where_anything_is_drawn(tmp_path: Path) -> None:
    found = space(tmp_path, parameters={"a.b": [1, 2, 3], "a.c": {"uniform": [0, 1]}}, trials=40, default=False)
    assert found.search == "random"
    assert {one["a.b"] for one in values(found)} == {1, 2, 3}
    assert len(values(found)) == 40


@pytest.mark.parametrize("key", ["seeds", "folds", "folds.count", "folds.files"])
@pytest.mark.parametrize("search", ["grid", "random", "tpe"])
def test_folds_and_seeds_are_no_parameters(tmp_path: Path, key: str, search: str) -> None:
    trials = {} if search == "grid" else {"trials": 2}
    with pytest.raises(ConfigError) as caught:
        space(tmp_path, parameters={"model.filters": [2, 4], key: [3, 4]}, search=search, **trials)
    assert f"{key}: no parameter" in str(caught.value)
    assert "seeds: and folds: say which are trained" in str(caught.value)
    assert "model.filters" not in str(caught.value)


def test_python_may_make_a_space(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text('SPACE = {"parameters": {"a.b": [2**i for i in range(3)]}, "default": False}\n')
    assert values(read_space(tmp_path / "s.py")) == [{"a.b": 1}, {"a.b": 2}, {"a.b": 4}]
    (tmp_path / "t.py").write_text("x = 1\n")
    with pytest.raises(ConfigError, match="has no SPACE"):
        read_space(tmp_path / "t.py")
    (tmp_path / "u.py").write_text("1 / 0\n")
    with pytest.raises(ConfigError, match="cannot be run: ZeroDivisionError"):
        read_space(tmp_path / "u.py")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"parameter": {}}, "unknown key 'parameter'; did you mean 'parameters'?"),
        ({"parameters": {"a": {"gird": [1]}}}, "a: expected one of grid, choice"),
        ({"parameters": {"a": {"grid": [1], "wen": {}}}}, "a: unknown key 'wen'; did you mean 'when'?"),
        ({"parameters": {"a": {"grid": []}}}, "a: grid needs a list of values"),
        ({"parameters": {"a": 3}}, "a: expected one of grid"),
        ({"parameters": {"a": {"uniform": [1]}}, "trials": 2}, "uniform needs two numbers"),
        ({"parameters": {"a": {"uniform": [2, 1]}}, "trials": 2}, "needs the least number first"),
        ({"parameters": {"a": {"loguniform": ["1e-4", 1]}}, "trials": 2}, "YAML reads 1e-4 as text"),
        ({"parameters": {"a": {"loguniform": [0, 1]}}, "trials": 2}, "needs numbers above 0"),
        ({"parameters": {"a": {"integers": [1, 2.5]}}, "trials": 2}, "needs whole numbers"),
        ({"parameters": {"a": {"uniform": [1, 2]}}}, "search: random needs trials"),
        ({"parameters": {"a": {"uniform": [1, 2]}}, "search": "grid"}, "search: grid needs the values of a as a grid"),
        ({"parameters": {"a": [1]}, "trials": 3}, "trials goes with search: random"),
        ({"parameters": {"a": {"grid": [1], "when": {"b": 1}}}}, "a: when names 'b', which is no parameter"),
        ({"search": "bayes"}, "search is 'bayes'; it is one of grid, random"),
        ({"seeds": ["a"]}, "seeds is ['a']; it is a list of whole numbers"),
        ({"trials": 0, "search": "random"}, "trials is 0; it is a whole number of at least 1"),
        ({"default": "false"}, "default is 'false'; it is true or false"),
        ({"objective": "jsd"}, "objective is 'jsd'; it is a metric of a window set"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, document: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(tmp_path, **document)
    assert message in str(caught.value)


def test_a_key_given_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("parameters:\n  a.b: [1, 2]\n  a.b: [8]\n")
    with pytest.raises(ConfigError, match=r"'a\.b' is given twice"):
        read_space(tmp_path / "s.yaml")


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        space(tmp_path, parameters={"a": {"grid": []}, "b": 3}, seed=-1)
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_ready_spaces_are_read_and_set_keys_that_experiments_have(path: Path, tmp_path: Path) -> None:
    from kerasac.config import make_experiment

    document = {
        "name": "x",
        "genome": {"fasta": "g.fa"},
        "store": "s.tdb",
        "inputs": [{"name": "sequence", "source": "seq", "flank": 1057}],
        "outputs": [
            {"name": "profile", "source": ["plus", "minus"], "flank": 250},
            {"name": "logcount", "source": ["plus", "minus"], "flank": 250, "aggregate": "sum", "transform": "log"},
        ],
        "datasets": ["x"],
        "sampling": {"regions": {"bed": "p.bed"}, "negatives": {"ratio": 1}},
        "bias": {},
    }
    found = read_space(path).configurations()
    assert len(found) > 1 or read_space(path).seeds
    experiments = [
        make_experiment(with_values(document, one.values.items()), base=tmp_path, origin=one.name) for one in found
    ]
    differing = [one for one in experiments if one != experiments[0]]
    assert len(differing) >= len(found) - 2  # the experiment as it is may be one of the values
    assert f"`{path.name}`" in (path.parent / "README.md").read_text()


def test_a_race_is_true_or_says_how(tmp_path: Path) -> None:
    assert space(tmp_path, parameters={"a.b": [1]}).race is None
    assert space(tmp_path, parameters={"a.b": [1]}, race=True).race == Racing()
    assert space(tmp_path, parameters={"a.b": [1]}, race={"eta": 3, "first_epochs": 4}).race == Racing(3, 4)
    assert space(tmp_path, parameters={"a.b": [1]}, prune="median").prune == "median"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"race": {"etta": 3}}, "race: unknown key 'etta'; did you mean"),
        ({"race": {"eta": 1}}, "eta is 1; it is a whole number of at least 2"),
        ({"race": 3}, "race is 3; it is true, or some of eta"),
        ({"race": True, "prune": "asha"}, "a race and prune: asha both drop configurations"),
        ({"race": True, "search": "tpe", "trials": 5}, "with search: tpe, say prune"),
        ({"prune": "hyperband"}, "prune is 'hyperband'; it is one of median, asha"),
        ({"search": "tpe"}, "search: tpe needs trials"),
    ],
)
def test_mistakes_in_how_configurations_are_dropped_are_named(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        space(tmp_path, parameters={"a.b": [1, 2]}, **keys)


def test_a_search_starts_from_the_experiment_as_it_is_alone(tmp_path: Path) -> None:
    found = space(tmp_path, parameters={"a.b": {"uniform": [0.0, 1.0]}}, search="tpe", trials=9)
    assert [one.values for one in found.configurations()] == [{}]
