from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from original_commands import TRAIN, KnownFiles, changed
from typer.testing import CliRunner

from kerasac.cli.main import app
from kerasac.cli.original.migration import Migration, migrate
from kerasac.cli.original.scripts import read_script
from kerasac.errors import ConfigError

LOOP = changed(TRAIN, fold="$fold", seed="$seed", model_prefix="$outdir/$model.$fold").replace(" --", " \\\n    --")


def script(folder: Path, text: str) -> Path:
    path = folder / "train.sh"
    path.write_text(text)
    return path


def made(path: Path, **options: Any) -> Migration:
    return migrate(path, lookups=KnownFiles(), **options)


def test_variables_and_loops_of_a_script_are_followed(tmp_path: Path):
    set_first = "outdir=out\nmodel=K562\nseed=7\n"
    loop = f"for fold in 0 1 2 3 4\ndo\nCUDA_VISIBLE_DEVICES=0 kerasAC_train {LOOP}\ndone\n"
    found = made(script(tmp_path, set_first + loop))
    document = yaml.safe_load(found.text)
    assert document == found.document
    assert (document["name"], document["seeds"]) == ("K562", [7])
    assert document["folds"] == {"scheme": "kerasac-10", "n": 5}
    assert "# The script's loop trains folds 0, 1, 2, 3, 4." in found.text
    assert "# --max_queue_size: no meaning here" in found.text


@pytest.mark.parametrize("loop", ["`seq 0 4`", "$(seq 0 4)", "{0..4}", "0 1 2 3 4"])
def test_sequences_of_numbers_are_written_out(tmp_path: Path, loop: str):
    (found,) = read_script(script(tmp_path, f"for fold in {loop}; do\nkerasAC_train --fold $fold\ndone\n"))
    assert found.loops == {"fold": ("0", "1", "2", "3", "4")}
    assert found.arguments == ["--fold", "0"]


def test_a_loop_over_seeds_is_seeds_of_the_experiment(tmp_path: Path):
    line = changed(TRAIN, seed="$seed")
    found = made(
        script(
            tmp_path,
            f"for seed in 1 2; do kerasAC_train {line}; done\nfor seed in 1 2\ndo\nkerasAC_train {line}\ndone\n",
        ),
        number=1,
    )
    assert found.document["seeds"] == [1, 2]


def test_what_the_script_does_not_set_stays_and_is_said(tmp_path: Path):
    text = f"fold=$1\nkerasAC_train {changed(TRAIN, fold='$fold', model_prefix='$dir/K562.$fold')}\n"
    found = made(script(tmp_path, text))
    assert "is not set in the script" in found.text
    assert found.document["folds"] == {"scheme": "kerasac-10"}


def test_comments_and_other_commands_are_left_alone(tmp_path: Path):
    others = "# kerasAC_train --wrong\necho it's fine\n"
    text = f"{others}kerasAC_train {TRAIN}\nkerasAC_score_bpnet --predictions p --outf o\n"
    found = made(script(tmp_path, text))
    assert "# kerasAC_score_bpnet (line 4): kerasac-ray score" in found.text


def test_named_chromosomes_go_into_a_file_beside(tmp_path: Path):
    line = changed(TRAIN, fold=None, genome=None, train_chroms="chr1", validation_chroms="chr3")
    found = made(script(tmp_path, f"kerasAC_train {line}\n"))
    assert found.document["folds"] == {"files": ["folds.json"]}
    assert '"chr2"' in found.beside["folds.json"]


def test_several_trainings_are_listed(tmp_path: Path):
    path = script(tmp_path, f"kerasAC_train {TRAIN}\nkerasAC_train {changed(TRAIN, seed='5')}\n")
    with pytest.raises(ConfigError, match="2 trainings; say which with --number"):
        made(path)
    assert made(path, number=2).document["seeds"] == [5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo\n", "calls neither kerasAC_train nor kerasAC_cross_validate"),
        ("kerasAC_train --model_prefix 'out\n", "line 1: No closing quotation"),
    ],
)
def test_scripts_without_a_training_are_refused(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError, match=said):
        made(script(tmp_path, text))


def test_files_are_written_beside_each_other_and_never_over(tmp_path: Path):
    own = tmp_path / "own.py"
    own.write_text("def getModelGivenModelOptionsAndWeightInits(args):\n    return None\n")
    line = changed(TRAIN, architecture_spec=None, architecture_from_file="own.py", model_params=None)
    path = script(tmp_path, f"kerasAC_train {line}\n")
    out = tmp_path / "new" / "experiment.yaml"
    arguments = ["migrate", str(path), "--out", str(out)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert yaml.safe_load(out.read_text())["model"]["architecture"] == "architecture.py:build"
    assert "def build(contract, flags)" in (out.parent / "architecture.py").read_text()
    with pytest.raises(ConfigError, match="is there already"):
        raise CliRunner().invoke(app, arguments).exception


def test_a_variable_of_several_words_is_several_words(tmp_path: Path):
    line = changed(TRAIN, tdb_output_min=None, tasks=None)
    set_first = "both='K562 GM12878'\nmore='--tdb_output_min None 4.6'\n"
    text = f"{set_first}kerasAC_train {line} $more --num_tasks 4 --tasks $both\n"
    found = made(script(tmp_path, text)).document
    assert found["datasets"] == ["K562", "GM12878"]
    assert found["outputs"][1]["min"] == 4.6


def test_a_mistake_is_told_with_its_line_and_what_is_not_set(tmp_path: Path):
    path = script(tmp_path, f"echo\nkerasAC_train {TRAIN} --seed 1 $more\n")
    with pytest.raises(ConfigError, match=r"line 2: --seed takes one value.*the script does not set \$more"):
        made(path)
