"""What a study tries is read from YAML or Python, and each mistake in it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kerasac.config import with_values
from kerasac.config.read_space import read_space
from kerasac.config.space import Racing, Space
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
    assert all("/" not in name and len(name) <= 80 for name in names)
    alike = space(tmp_path, parameters={"a.b": {"grid": ["x y", "x_y"]}}, default=False)
    assert len({one.name for one in alike.configurations()}) == 2


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
