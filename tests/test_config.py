"""Every mistake in an experiment file is named; what is right comes out as it went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import kerasac
from kerasac.config import (
    Experiment,
    Spec,
    TrackSpec,
    apply_overrides,
    load_experiment,
    make_experiment,
)
from kerasac.errors import ConfigError

TEMPLATES = Path(kerasac.__file__).parent / "templates"

MINIMAL = """
name: minimal
genome: {fasta: genome.fa}
store: signal.tdb
datasets: K562
inputs: [{name: sequence, source: seq, flank: 100}]
outputs:
  - {name: profile, source: [plus, minus], flank: 50}
  - {name: logcount, source: [plus, minus], flank: 50, aggregate: sum, transform: log}
sampling: {regions: {bed: peaks.bed}}
"""
PEAKS = {"attribute": "peak"}


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(MINIMAL)
    return loaded


def make(*overrides: str) -> Experiment:
    return make_experiment(apply_overrides(document(), overrides), base=Path("/data"), origin="x.yaml")


def message(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        make(*overrides)
    return str(caught.value)


def lines(*overrides: str) -> list[str]:
    """What is said of the file, without the line that names it."""
    first, *rest = message(*overrides).splitlines()
    assert first == "x.yaml:"
    return [line.strip() for line in rest]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("modle.filters=3", "unknown key 'modle'; did you mean 'model'?"),
        ("genome.fsta=x", "unknown key 'fsta' in genome; did you mean 'fasta'?"),
        ("inputs.0.flnk=3", "unknown key 'flnk' in inputs.0; did you mean 'flank'?"),
        ("outputs.logcount.agregate=sum", "unknown key 'agregate' in outputs.1; did you mean 'aggregate'?"),
        ("sampling.regoins={}", "unknown key 'regoins' in sampling; did you mean 'regions'?"),
        ("sampling.regions.jiter=3", "unknown key 'jiter' in sampling.regions; did you mean 'jitter'?"),
        ("sampling.negatives.rato=1", "unknown key 'rato' in sampling.negatives; did you mean 'ratio'?"),
        ("loss.count=1", "unknown key 'count' in loss; did you mean 'counts'?"),
        ("training.epoch=1", "unknown key 'epoch' in training; did you mean 'epochs'?"),
        ("folds.shceme=x", "unknown key 'shceme' in folds; did you mean 'scheme'?"),
        ("score.peak=x", "unknown key 'peak' in score; did you mean 'peaks'?"),
        ("compute.gpu=1", "unknown key 'gpu' in compute; did you mean 'gpus'?"),
        ("tracking.url=x", "unknown key 'url' in tracking; did you mean 'uri'?"),
        ("sampling.zzzzzz=1", "unknown key 'zzzzzz' in sampling; known: ambiguous, bins, negatives, peaks, regions, "),
    ],
)
def test_unknown_key_names_the_nearest(override: str, expected: str) -> None:
    (line,) = lines(override)
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("genome=null", "genome: expected a section of keys (found None)"),
        ("genome.fasta=null", "genome.fasta: "),
        ("inputs.0.flank=wide", "inputs.0.flank: "),
        ("inputs.0.flank=0", "inputs.0: say how wide it is: flank"),
        ("inputs.0.flank=-1", "inputs.0.flank: expected greater than or equal to 0 (found -1)"),
        ("inputs.0.flank=0.5", "inputs.0.flank: "),
        ("inputs={}", "inputs: expected a list (found {})"),
        ("outputs=[]", "outputs: expected at least one (found [])"),
        ("seeds=[]", "seeds: expected at least one (found [])"),
        ("outputs.0.aggregate=mean", "outputs.0.aggregate: expected 'none', 'sum', 'average', 'max' or 'binary_max'"),
        ("sampling.regions.center=sumit", "sampling.regions.center: expected 'summit', 'center', 'random' or 'edges'"),
        ("loss.counts=atuo", "loss.counts: expected a valid number, unable to parse"),
        ("loss.counts=-1", "loss.counts: expected greater than or equal to 0 (found -1), or expected 'auto'"),
        ("compute.samplers=-1", "compute.samplers: "),
        ("compute.max_parallel=0", "compute.max_parallel: "),
        ("compute.gpus=-0.5", "compute.gpus: "),
        ("folds.n=0", "folds.n: "),
        ("name=a/b", "name: use letters, digits, '_' and '-' only (found 'a/b')"),
        ("outputs.0.name=a b", "outputs.0.name: use letters, digits, '_' and '-' only (found 'a b')"),
    ],
)
def test_ill_typed_value_is_named_with_its_place(override: str, expected: str) -> None:
    (line,) = lines(override)
    assert line.startswith(expected)


@pytest.mark.parametrize("key", ["name", "genome", "inputs", "outputs", "sampling"])
def test_missing_key_is_named(key: str) -> None:
    incomplete = document()
    del incomplete[key]
    with pytest.raises(ConfigError, match=f"{key} is missing"):
        make_experiment(incomplete, base=Path(), origin="x.yaml")


def test_all_mistakes_are_told_at_once() -> None:
    assert len(lines("genome.fsta=1", "training.epochs=-1", "inputs.0.flank=x")) == 3


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["outputs.1.name=profile"], "two inputs or outputs are called 'profile'"),
        (["outputs.1.source=[plus, plus]"], "outputs.1: .*source: 'plus' is listed twice"),
        (["outputs.1.dataset=[a, a]"], "outputs.1: .*dataset: 'a' is listed twice"),
        (["outputs.1.paired=true"], "outputs.1: .*paired: 2 sources need as many datasets; there are 0"),
        (
            ["outputs.1.paired=true", "outputs.1.source=[plus, plus]", "outputs.1.dataset=[a, a]"],
            "outputs.1: .*paired: plus of a is listed twice",
        ),
        (["datasets=[a, a]"], "datasets: 'a' is listed twice"),
        (["outputs.0.source=seq"], "outputs.0.source: an output cannot be the sequence"),
        (["inputs.0.source=[seq, plus]"], "inputs.0: 'seq' is the genome's sequence"),
        (["inputs.0.aggregate=sum"], "inputs.0: the sequence takes no aggregate"),
        (["outputs.1.transform=counts_to_logit"], "outputs.1: counts_to_logit compares the positions"),
        (["outputs.1.pseudocount=0"], "outputs.1: log of a window without counts is infinite"),
        (["outputs.1.min=2", "outputs.1.max=1"], "outputs.1: min 2 is above max 1"),
        (["training.min_learning_rate=1"], "training: min_learning_rate 1 is above learning_rate 0.001"),
        (["seeds=[1, 1]"], r"seeds \[1, 1\] repeat"),
        (["seeds=[-1]"], r"seeds \[-1\] must be 0 or more"),
        (["seeds=[4294967296]"], r"seeds \[4294967296\] must be 0 or more, and below 2\^32"),
        (["sampling.peaks={attribute: p}"], "sampling: name one of 'peaks' .*; given: peaks and regions"),
        (["sampling.regions=null"], "sampling: name one of 'peaks' .*; given: none"),
        (
            ["sampling={peaks: {attribute: p}, train_size: 1, valid_size: 1, negatives: {}}"],
            "sampling: 'negatives' belongs to 'regions'",
        ),
        (["sampling={peaks: {attribute: p}, train_size: 1}"], "sampling: .* train_size and valid_size"),
    ],
)
def test_contradictions_are_refused(overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        make(*overrides)


def test_no_pseudocount_is_refused_also_with_a_min() -> None:
    """Test windows are not filtered, and may be empty."""
    (line,) = lines("outputs.1.pseudocount=0", "outputs.1.min=1")
    assert "set a pseudocount above 0" in line


def test_override_by_dotted_key() -> None:
    changed = make("model.filters=32", "training.epochs=7", "genome.blacklist=b.bed")
    assert changed.model.parameters == {"filters": 32}
    assert changed.training.epochs == 7
    assert changed.genome.blacklist == Path("/data/b.bed")


@pytest.mark.parametrize("item", ["1", "logcount"])
def test_override_in_a_list_by_name_or_number(item: str) -> None:
    changed = make(f"outputs.{item}.flank=20")
    assert [output.flank for output in changed.outputs] == [50, 20]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7", (7,)), ("[1, 2]", (1, 2))],
)
def test_override_values_are_yaml(text: str, expected: tuple[int, ...]) -> None:
    assert make(f"seeds={text}").seeds == expected


def test_override_value_may_hold_an_equals_sign() -> None:
    assert make("tracking.uri=http://host/?a=b").tracking.uri == "http://host/?a=b"


@pytest.mark.parametrize(
    "uri",
    [
        "http://user:hunter2@host:5000",
        "https://hunter2@host/",
        "postgresql://user:hunter2@host/db",
        "user:hunter2@host:5000",
    ],
)
def test_tracking_address_with_a_password_is_refused_without_showing_it(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"tracking\.uri: holds a user or password.*MLFLOW_TRACKING_TOKEN") as refused:
        make(f"tracking.uri={uri}")
    assert "hunter2" not in f"{refused.value}{refused.value.__cause__}"


@pytest.mark.parametrize("uri", ["databricks://profile", "postgresql://user@host/db", "sqlite:////a/b@c:d/mlflow.db"])
def test_tracking_address_without_a_password_is_kept(uri: str) -> None:
    assert make(f"tracking.uri={uri}").tracking.uri == uri


def test_scientific_notation_is_a_number() -> None:
    assert make("training.learning_rate=1e-4").training.learning_rate == 1e-4


def test_later_override_wins_and_the_document_stays() -> None:
    original = document()
    assert apply_overrides(original, ["seeds=1", "seeds=2"])["seeds"] == 2
    assert original == document()


def test_override_of_an_aliased_list_changes_one_place() -> None:
    shared = yaml.safe_load("a: {source: &s [plus, minus]}\nb: {source: *s}")
    changed = apply_overrides(shared, ["a.source.0=fwd"])
    assert changed == {"a": {"source": ["fwd", "minus"]}, "b": {"source": ["plus", "minus"]}}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.filters", "--set 'model.filters' is not of the form key.sub=value"),
        ("=3", "--set '=3' is not of the form key.sub=value"),
        ("model.filters=[1", "--set 'model.filters=[1': the value is not YAML"),
        ("name.x=3", "name.x: name is the value 'minimal', not a section"),
        (
            "outputs.profil.flank=3",
            "outputs.profil.flank: no item 'profil' in a list of 2; did you mean 'profile'?",
        ),
        ("outputs.2.flank=3", "outputs.2.flank: no item '2' in a list of 2; known: logcount, profile"),
        ("outputs.0.source.0.x=3", "outputs.0.source.0.x: 0 is the value 'plus', not a section"),
    ],
)
def test_override_that_fits_nowhere_is_named(override: str, expected: str) -> None:
    assert message(override).startswith(expected)


def write(folder: Path, text: str = MINIMAL) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(text)
    return path


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    loaded = load_experiment(write(tmp_path))
    assert loaded.genome.fasta == tmp_path / "genome.fa"
    assert loaded.sampling.regions is not None
    assert loaded.sampling.regions.bed == tmp_path / "peaks.bed"


def test_relative_paths_are_relative_to_the_data_folder_when_one_is_given(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert load_experiment(write(tmp_path), data_folder=data).store == data / "signal.tdb"


def test_absolute_and_home_paths_stay(tmp_path: Path) -> None:
    loaded = load_experiment(write(tmp_path), overrides=["store=/x/y.tdb", "score.peaks=~/p.bed"])
    assert loaded.store == Path("/x/y.tdb")
    assert loaded.score.peaks == Path.home() / "p.bed"


def test_urls_come_out_as_they_went_in() -> None:
    urls = {
        "genome.fasta": "https://host/hg38.fa.gz?part=1",
        "store": "s3://bucket/a.tdb",
        "sampling.regions.bed": "s3://bucket/peaks.bed",
        "folds.files": "[https://host/0.json]",
    }
    experiment = make(*(f"{key}={url}" for key, url in urls.items()))
    saved = yaml.safe_load(experiment.to_yaml())
    assert saved["genome"]["fasta"] == urls["genome.fasta"]
    assert (saved["store"], saved["folds"]["files"]) == (urls["store"], ["https://host/0.json"])
    assert saved["sampling"]["regions"]["bed"] == urls["sampling.regions.bed"]
    assert make_experiment(saved, base=Path("/elsewhere"), origin="saved") == experiment


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:pw@host/a.fa", "genome.fasta: https://host/a.fa is given with a password or signature"),
        ("https://host/a.fa?X-Amz-Signature=f00d", "genome.fasta: https://host/a.fa is given with a password"),
        ("s3://bucket/a//b.fa", "genome.fasta: s3://bucket/a//b.fa has nothing, or only a dot, between two slashes"),
    ],
)
def test_url_that_must_not_or_cannot_be_kept_is_refused(url: str, expected: str) -> None:
    (line,) = lines(f"genome.fasta={url}")
    assert line.startswith(expected)
    assert not any(secret in line for secret in ("me:pw", "f00d"))


def test_relative_paths_do_not_depend_on_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_experiment(Path("experiment.yaml")).store == tmp_path / "signal.tdb"


@pytest.mark.parametrize("files", ["a.json", "[a.json]"])
def test_one_fold_file_needs_no_list(files: str) -> None:
    assert make(f"folds.files={files}").folds.files == (Path("/data/a.json"),)


@pytest.mark.parametrize(("text", "expected"), [("a: [1", "is not YAML"), ("", "holds no keys"), ("- a", "no keys")])
def test_file_that_is_no_experiment_is_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=rf"experiment\.yaml.*{expected}"):
        load_experiment(write(tmp_path, text))


def test_key_given_twice_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(MINIMAL + "store: other.tdb\n")
    with pytest.raises(ConfigError, match=r"key 'store' is given twice\n.*line 11"):
        load_experiment(tmp_path / "x.yaml")


def test_missing_file_and_data_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist; .kerasac-ray init"):
        load_experiment(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"--data .*nowhere is not a folder"):
        load_experiment(write(tmp_path), data_folder=tmp_path / "nowhere")


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.yaml")), ids=lambda path: path.stem)
def test_template_round_trips_through_yaml(template: Path) -> None:
    loaded = load_experiment(template)
    again = make_experiment(yaml.safe_load(loaded.to_yaml()), base=Path("/elsewhere"), origin="again")
    assert again == loaded
    assert again.as_dict() == loaded.as_dict()


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ("batch_size=15", r"training\.batch_size 15 is no multiple of compute\.trainers 2"),
        ("jit_compile=true", r"training\.jit_compile: true goes with one trainer"),
    ],
)
def test_what_trainers_cannot_share_is_refused(training: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make("compute.trainers=2", f"training.{training}")
    make("compute.trainers=1", f"training.{training}")


def test_array_without_datasets_is_refused() -> None:
    with pytest.raises(ConfigError, match="say which 'datasets' of the store to read"):
        make("datasets=[]")


def test_experiment_of_bins_round_trips_through_yaml() -> None:
    document = {
        "name": "bins",
        "genome": {"fasta": "genome.fa"},
        "labels": "labels.tsv",
        "inputs": [{"name": "sequence", "source": "seq", "flank": 500}],
        "outputs": [{"name": "open", "source": "atac", "kind": "classification"}],
        "sampling": {"bins": {}},
    }
    loaded = make_experiment(document, base=Path("/data"), origin="bins")
    assert make_experiment(yaml.safe_load(loaded.to_yaml()), base=Path("/elsewhere"), origin="again") == loaded


def test_template_names_every_section() -> None:
    shown = yaml.safe_load((TEMPLATES / "experiment.yaml").read_text())
    assert set(shown) == set(Experiment.model_fields)


def test_model_parameters_survive_the_round_trip() -> None:
    loaded = make("model={architecture: bpnet, filters: 8}")
    assert yaml.safe_load(loaded.to_yaml())["model"] == {"architecture": "bpnet", "filters": 8}


def specs() -> list[type[Spec]]:
    found = [Spec]
    for spec in found:
        found.extend(spec.__subclasses__())
    return found[1:]


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.__name__)
def test_every_spec_is_frozen(spec: type[Spec]) -> None:
    field = next(iter(spec.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(spec.model_construct(), field, None)


def test_flanks_and_datasets_of_an_experiment() -> None:
    made = make("outputs.0.flank=60", "inputs.0.flank=90", "outputs.0.dataset=GM12878", "datasets=[K562, HepG2]")
    assert (made.output_flank, made.widest_flank) == (60, 90)
    assert made.track_datasets(made.outputs[0]) == ("GM12878",)
    assert made.track_datasets(made.outputs[1]) == ("K562", "HepG2")
    assert TrackSpec(name="x", source=("seq",), flank=5).width_bp == 10
