"""Measure what a window's contributions cost, against shap's own loop (BPNet, 64 filters, 8 layers, 2114 bases).

    python benchmarks/interpretation.py

shap's loop is ``DeepExplainer.shap_values`` of one window after the other, each with its 20 shuffled references made
before, so that it does nothing but explain. Ours make their references themselves. All explain the same windows in
turn, in one process; the ratio of CPU-seconds says most on a machine that others use too. Then our engine explains
some and four times as many windows: its time is to grow with their number.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasac.models.backend import prepare_backend

if TYPE_CHECKING:
    from kerasac.interpret.heads import Target
    from kerasac.models.contract import Contract

WIDTH_BP, PROFILE_BP, N_REFERENCES = 2114, 1000, 20


class Work(NamedTuple):
    """Something that explains the windows, and what it has found of the first ones."""

    name: str
    run: Callable[[int], Any]


class Spent(NamedTuple):
    """Seconds of a round, by the clock and of the CPUs."""

    wall: float
    cpu: float


def measure_interpretation(n_windows: int, rounds: int, threads: int, filters: int) -> dict[str, float]:
    """Explain by every engine in turn; print and return how many times as fast as shap's loop ours are."""
    prepare_backend(threads=threads)
    from kerasac.interpret.heads import Head, Target

    contract = _contract()
    model = _model(contract, filters)
    results: dict[str, float] = {}
    for target in (Target(Head.COUNTS, 0), Target(Head.PROFILE)):
        works = _works(model, contract, target, n_windows)
        for work in works:
            work.run(1)  # compiles
        spent = _in_turn(works, n_windows, rounds)
        baseline = statistics.median(one.cpu for one in spent["shap_values, one at a time"])
        print(f"{target.head}, {n_windows} windows, {filters} filters, {threads} threads:")
        for name, times in spent.items():
            cpu, wall = (statistics.median(getattr(one, kind) for one in times) for kind in ("cpu", "wall"))
            print(
                f"  {name:28} {cpu / n_windows:6.3f} CPU-s and {wall / n_windows:6.3f} s a window, "
                f"{baseline / cpu:.2f} times as fast per CPU-second"
            )
            results[f"{target.head}_{name}"] = baseline / cpu
        few, many = (_spent(works[-1].run, n).cpu for n in (n_windows, 4 * n_windows))
        print(f"  four times the windows take {many / few:.2f} times the CPU-seconds")
        results[f"{target.head}_growth"] = many / few
    return results


def _works(model: Any, contract: Contract, target: Target, n_windows: int) -> list[Work]:
    from kerasac.interpret.explain import explainer
    from kerasac.interpret.settings import Engine, ExplainSettings

    tokens = np.random.default_rng(2).integers(0, 4, (4 * n_windows, WIDTH_BP)).astype(np.uint8)
    keys = [("chr1", 5000 + 100 * i) for i in range(len(tokens))]

    def ours(engine: Engine, *, compiled: bool) -> Callable[[int], Any]:
        explain = explainer(model, contract, [target], ExplainSettings(engine=engine), compiled=compiled)
        return lambda n: explain.hypothetical({"sequence": tokens[:n]}, keys[:n])

    return [
        Work("shap_values, one at a time", _shap_values(model, contract, target, tokens[:n_windows], keys)),
        Work("engine shap", ours(Engine.SHAP, compiled=False)),
        Work("engine fast", ours(Engine.FAST, compiled=False)),
        Work("engine fast, compiled", ours(Engine.FAST, compiled=True)),
    ]


def _shap_values(
    model: Any, contract: Contract, target: Target, tokens: Any, keys: list[tuple[str, int]]
) -> Callable[[int], Any]:
    import keras
    import shap

    from kerasac.genome.sequence import one_hot
    from kerasac.interpret.one_hot_model import OneHotModel
    from kerasac.interpret.references import references_of, window_rng
    from kerasac.interpret.settings import ReferenceKind
    from kerasac.interpret.shap_engine import Scalar, shap_rules

    rows = keras.Input((WIDTH_BP, 4))
    scalar = keras.Model([rows], Scalar(OneHotModel(model, contract, target.head), ["sequence"], target)([rows]))
    references = {
        row.tobytes(): references_of(ReferenceKind.SHUFFLED, row, N_REFERENCES, window_rng(0, *key))
        for row, key in zip(tokens, keys, strict=False)
    }
    explain = shap.DeepExplainer(
        scalar, lambda inputs: [references[inputs[0].argmax(axis=1).astype(np.uint8).tobytes()]]
    )

    def run(n: int) -> Any:
        with shap_rules():
            return [
                explain.shap_values(one_hot(row)[None].astype(np.float32), check_additivity=False) for row in tokens[:n]
            ]

    return run


def _in_turn(works: list[Work], n_windows: int, rounds: int) -> dict[str, list[Spent]]:
    spent: dict[str, list[Spent]] = {work.name: [] for work in works}
    for number in range(rounds):
        # Who comes first changes with the round: a machine that slows down or speeds up then favours none.
        for work in works[:: 1 if number % 2 else -1]:
            spent[work.name].append(_spent(work.run, n_windows))
    return spent


def _spent(run: Callable[[int], Any], n: int) -> Spent:
    started, cpu = time.perf_counter(), time.process_time()
    run(n)
    return Spent(time.perf_counter() - started, time.process_time() - cpu)


def _contract() -> Contract:
    from kerasac.models.contract import Contract, Port

    strands = ("plus", "minus")
    outputs = (Port("profile", "profile", PROFILE_BP, 2, strands), Port("logcount", "counts", PROFILE_BP, 2, strands))
    return Contract((Port("sequence", "sequence", WIDTH_BP, 4),), outputs)


def _model(contract: Contract, filters: int) -> Any:
    import keras

    from kerasac.models.registry import BPNetParameters, build_model

    keras.utils.set_random_seed(1)
    return build_model("bpnet", contract, BPNetParameters(filters, 8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=10, help="windows a round")
    parser.add_argument("--rounds", type=int, default=3, help="each explains the windows in all ways")
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    measure_interpretation(arguments.windows, arguments.rounds, arguments.threads, arguments.filters)


if __name__ == "__main__":
    main()
