"""The commands of kerasAC that explain predictions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasac.cache import with_ending
from kerasac.cli.original.commands import Done
from kerasac.cli.original.experiment import experiment_name, track_sections
from kerasac.cli.original.flags import Given
from kerasac.cli.original.hints import hint, shortest
from kerasac.cli.original.lookups import Lookups
from kerasac.cli.original.models import model_file
from kerasac.cli.original.telling import tell
from kerasac.cli.original.train import local_prefix
from kerasac.config import Experiment, make_experiment
from kerasac.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from kerasac.interpret.settings import ExplainSettings
    from kerasac.runs.interpret import Interpreted, InterpretRequest

_SEED = 1234  # of the peaks that are drawn
_BLOCK = 256  # windows at a time
_METHODS = {"deepshap": "deepshap", "deeplift": "deepshap", "ism": "ism", "input_grad": "gradient"}
_REFERENCES = {"shuffled_ref": "shuffled", "gc_ref": "gc", "zero_ref": "zero"}


def bpnet_shap_wrapper(given: Given, console: Console) -> Done:
    """Explain counts and profiles of regions, and predict them: what kerasAC puts into one pickle."""
    prefix = local_prefix(given, "out_pickle")
    rule = given.text("bed_regions_center") or "summit"
    experiment = _tracks_experiment(given, rule)
    tasks = _task(given, experiment)
    from kerasac.genome.centering import Center
    from kerasac.interpret.heads import Head
    from kerasac.runs.interpret import InterpretRequest
    from kerasac.runs.predict import Places, PredictRequest, predict_to_file

    model, regions = model_file(given), given.path("bed_regions")
    predicted = with_ending(prefix, "predictions")
    with _described(experiment) as described:
        explained = InterpretRequest(
            sources=(model,),
            out=prefix,
            regions=regions,
            center=Center(rule),
            heads=(Head.COUNTS, Head.PROFILE),
            tasks=tasks,
            together=not tasks,
            experiment=described,
            overwrite=True,
        )
        done = _explain(explained, console)
        places = Places(regions=regions, center=Center(rule))
        request = PredictRequest((model,), predicted, places, experiment=described, overwrite=True)
        predict_to_file(request)
    tell(console, "no pickle is written: HDF5 files hold the same, and run no code of theirs when they are read")
    same = hint(
        "interpret",
        "deepshap",
        "MODEL.keras",
        out=shortest(prefix),
        regions=regions,
        experiment="experiment.yaml",
        tasks=",".join(tasks),
        together=not tasks,
    )
    return Done(same, tuple(str(shortest(path)) for path in (*done.files, predicted)))


def _task(given: Given, experiment: Experiment) -> tuple[str, ...]:
    """Return the name of the task that --task_index points at; none where it is not given: all are explained."""
    place = given.whole("task_index")
    if place is None:
        return ()
    from kerasac.interpret.heads import Head, port_of
    from kerasac.models.contract import contract_of

    tasks = port_of(contract_of(experiment), Head.COUNTS).tasks
    if not 0 <= place < len(tasks):
        raise ConfigError(f"--task_index is {place}; the model has the tasks {', '.join(tasks)}, from 0")
    return (tasks[place],)


def interpret(given: Given, console: Console) -> Done:
    """Explain a model's values of windows, and write bed_entries, interp_scores and inputs_onehot to an .npz file."""
    if given.text("generator_type") == "snp":
        raise ConfigError("--generator_type snp: `kerasac-ray variants` scores variants, and draws both alleles")
    out = local_prefix(given, "output_npz_file")
    out = out.with_name(f"{out.name.removesuffix('.npz')}.npz")
    model, flank = model_file(given), given.whole("flank") or 0
    experiment = sequence_model(given, model, flank)
    from kerasac.genome.centering import Center
    from kerasac.interpret.contributions import open_contributions
    from kerasac.runs.interpret import InterpretRequest

    tasks = experiment.outputs[-1].source
    place = given.whole("task_index") or 0
    if not 0 <= place < len(tasks):
        raise ConfigError(f"--task_index is {place}; the model has {len(tasks)} tasks")
    with tempfile.TemporaryDirectory() as folder, _described(experiment) as described:
        request = InterpretRequest(
            sources=(model,),
            out=Path(folder) / "scores",
            regions=given.path("input_bed_file"),
            center=Center.SUMMIT if given.is_on("center_on_summit") else Center.CENTER,
            heads=_heads(experiment),
            tasks=(tasks[place],),
            settings=_settings(given),
            experiment=described,
        )
        done = _explain(request, console)
        with open_contributions(done.files[0]) as file:
            rows = slice(None)
            ends = file.start + file.width_bp
            entries = np.stack([file.chrom, file.start.astype(str), ends.astype(str)], axis=1)
            np.savez_compressed(
                out, bed_entries=entries, interp_scores=file.hypothetical(rows), inputs_onehot=file.one_hot(rows)
            )
    same = hint(
        "interpret", request.settings.method, "MODEL.keras", out=shortest(out.with_suffix("")), regions=request.regions
    )
    return Done(same, (str(shortest(out)),))


def form_modisco_inputs(given: Given, console: Console) -> Done:
    """Write contributions to the first task's counts and profiles in peaks as NumPy arrays, of whole windows."""
    prefix = local_prefix(given, "out_prefix")
    model = model_file(given)
    experiment = sequence_model(given, model, given.whole("flank_size") or 0)
    from kerasac.interpret.heads import Head
    from kerasac.runs.interpret import InterpretRequest

    with tempfile.TemporaryDirectory() as folder, _described(experiment) as described:
        request = InterpretRequest(
            sources=(model,),
            out=Path(folder) / "scores",
            regions=_drawn(given, Path(folder) / "peaks.narrowPeak"),
            heads=(Head.COUNTS, Head.PROFILE),
            tasks=experiment.outputs[-1].source[:1],
            experiment=described,
        )
        written = [_write_arrays(path, prefix) for path in _explain(request, console).files]
    same = hint(
        "interpret",
        "deepshap",
        "MODEL.keras",
        out=shortest(prefix),
        regions=given.text("peak_file"),
        layout="kerasac",
        experiment="experiment.yaml",
    )
    return Done(same, tuple(dict.fromkeys(str(shortest(path)) for paths in written for path in paths)))


def _write_arrays(source: Path, prefix: Path) -> list[Path]:
    """Write a file of contributions as kerasAC's arrays: hypothetical ones, those of the bases, and the sequence."""
    from kerasac.interpret.contribution_files import ContributionLayout, output_paths
    from kerasac.interpret.contributions import open_contributions

    with open_contributions(source) as file:
        paths = output_paths(prefix, file.head or "", ContributionLayout.KERASAC)
        shape = (len(file), file.width_bp, 4)
        arrays = [np.lib.format.open_memmap(path, "w+", np.float32, shape) for path in paths]
        for low in range(0, len(file), _BLOCK):
            rows = slice(low, min(low + _BLOCK, len(file)))
            hypothetical, bases = file.hypothetical(rows), file.one_hot(rows)
            for array, values in zip(arrays, (hypothetical, hypothetical * bases, bases), strict=True):
                array[rows] = values
    return paths


def plot_interpretation(given: Given, console: Console) -> Done:
    """Draw a bigWig of contributions as letters, a figure a place."""
    del console
    out = given.path("outf")
    columns = (given.texts("chrom"), given.texts("startpos"), given.texts("endpos"))
    if len({len(column) for column in columns}) != 1 or not columns[0]:
        counts = ", ".join(f"{len(column)} of --{name}" for column, name in zip(columns, _PLACE, strict=True))
        raise ConfigError(f"places have a chromosome, a start and an end each; there are {counts}")
    from kerasac.interpret.plots.choices import Format, Kind
    from kerasac.interpret.plots.draw import draw_places
    from kerasac.interpret.plots.places import Place
    from kerasac.interpret.plots.tracks import Files

    form = out.suffix.removeprefix(".") or Format.PNG
    if form not in set(Format):
        raise ConfigError(f"--outf {out} ends in .{form}; figures are {', '.join(Format)}")
    places = [Place(chrom, int(start), int(end)) for chrom, start, end in zip(*columns, strict=True)]
    files = Files(contributions=(given.path("input_bigwig"),), fasta=given.path("ref"))
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".") as folder:
        made = draw_places(places, files, Path(folder), kinds=[Kind.CONTRIBUTIONS], form=Format(form))
        names = [out] if len(made) == 1 else [out.with_name(f"{out.stem}.{path.name}") for path in made]
        written = [path.replace(name) for path, name in zip(made, names, strict=True)]
    texts = [f"{place.chrom}:{place.start}-{place.end}" for place in places]
    same = hint("plot", *texts, contributions=given.text("input_bigwig"), fasta=given.text("ref"))
    return Done(same, tuple(map(str, written)))


_PLACE = ("chrom", "startpos", "endpos")


def sequence_model(given: Given, model: Path, flank: int) -> Experiment:
    """Describe a model of the sequence alone."""
    from kerasac.cli.original.sequence_models import sequence_experiment

    return sequence_experiment(model, given.path("ref_fasta"), flank=flank, origin=given.command)


def _tracks_experiment(given: Given, rule: str) -> Experiment:
    document: dict[str, Any] = {
        "name": experiment_name(given.needed("out_pickle")),
        "genome": {"fasta": given.needed("ref_fasta")},
        **track_sections(given, Path(), Lookups())[0],
        "sampling": {"regions": {"bed": given.needed("bed_regions"), "center": rule}},
    }
    return make_experiment(document, base=Path.cwd(), origin=given.command)


@contextmanager
def _described(experiment: Experiment) -> Iterator[Path]:
    """Yield a file of the experiment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.yaml"
        path.write_text(experiment.to_yaml(), encoding="utf-8")
        yield path


def _explain(request: InterpretRequest, console: Console) -> Interpreted:
    from kerasac.cli.show import progress_bar
    from kerasac.runs.interpret import interpret_to_files

    with progress_bar("explaining", console) as advance:
        done = interpret_to_files(request, advance)
    for why, n in done.left_out.items():
        tell(console, f"left out: {n:,} {why}")
    return done


def _heads(experiment: Experiment) -> tuple[Any, ...]:
    """Return what kerasAC_interpret explains: values of bins, or of a profile model its counts."""
    from kerasac.interpret.heads import Head

    return (Head.VALUE,) if experiment.labels is not None else (Head.COUNTS,)


def _settings(given: Given) -> ExplainSettings:
    from kerasac.interpret.settings import ExplainSettings, Method, ReferenceKind

    name = given.needed("interp_method")
    method = Method(_METHODS[name])
    if method is not Method.DEEPSHAP:
        return ExplainSettings(method=method)
    reference = given.text(f"{name}_reference") or "shuffled_ref"
    n_references = given.whole(f"{name}_num_refs_per_seq") or 0
    return ExplainSettings(method=method, reference=ReferenceKind(_REFERENCES[reference]), n_references=n_references)


def _drawn(given: Given, path: Path) -> Path:
    """Write as many peaks as are asked for, drawn without replacement, in the order of their file."""
    from kerasac.genome.intervals import read_bed

    peaks = read_bed(given.path("peak_file"), summits=True)
    n = min(given.whole("npeaks_to_sample") or 0, len(peaks))
    if not n:
        raise ConfigError(f"--npeaks_to_sample leaves none of the {len(peaks):,} peaks of {given.text('peak_file')}")
    rows = np.sort(np.random.default_rng(_SEED).choice(len(peaks), size=n, replace=False))
    drawn = peaks[rows]
    offsets = np.where(drawn.summit >= 0, drawn.summit - drawn.start, -1)
    columns = zip(drawn.chrom.tolist(), drawn.start.tolist(), drawn.end.tolist(), offsets.tolist(), strict=True)
    path.write_text("".join(f"{chrom}\t{start}\t{end}\t.\t0\t.\t0\t0\t0\t{at}\n" for chrom, start, end, at in columns))
    return path
