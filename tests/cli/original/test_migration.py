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
    found = read_script(script(tmp_path, f"for fold in {loop}; do\nkerasAC_train --fold $fold\ndone\n"))
    assert [one.arguments for one in found] == [["--fold", str(fold)] for fold in range(5)]


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


FOLD_AND_SEED = changed(TRAIN, fold="$fold", seed="$seed", model_prefix="out/K562.$fold.$seed")


@pytest.mark.parametrize(
    ("before", "after", "n", "seeds"),
    [
        ("seed=7; for fold in 0 1 2; do ", "; done", 3, [7]),
        ("for fold in 0 1; do for seed in 1 2; do ", "; done; done", 2, [1, 2]),
        ("for fold in 0 1; do for seed in 1 2; do\n", "\ndone\ndone", 2, [1, 2]),
        ("for fold in 0 1 2; do export seed=77; ", "; done", 3, [77]),
        ("fold=3; seed=77\n", "", None, [77]),
        ("export fold=3 seed=77\n", "", None, [77]),
        ("for f in {0..9}\ndo\nfold=$f\nseed=5\n", "\ndone", 10, [5]),
        ("seed=${1:-5}; for ((fold = 0; fold < 3; fold++)); do ", "; done", 3, [5]),
        ("seed=5; for ((fold=0; fold<=1; ++fold)) do ", "; done", 2, [5]),
        ("seed=5; for fold in {1..0} {2,3}; do ", "; done", 4, [5]),
        ("train() {\nlocal fold=$1 seed=$2\n", "\n}\ntrain 0 7\ntrain 1 7\n", 2, [7]),
        (
            'folds=(0 1 2)\nseeds=(4\n5)\nfor fold in "${folds[@]}"; do for seed in ${seeds[*]}; do ',
            "; done; done",
            3,
            [4, 5],
        ),
        ("last=2; seed=1; ((seed == 1)) && echo; for fold in $(seq 0 $last); do ", " && echo done; done", 3, [1]),
        ("all='0 1'; seed=1; for fold in $all; do ", " || exit 1; done > log.txt", 2, [1]),
    ],
)
@pytest.mark.parametrize("equals", [False, True])
def test_loops_and_assignments_are_followed_wherever_they_stand(
    tmp_path: Path, before: str, after: str, n: int | None, seeds: list[int], equals: bool
):
    line = FOLD_AND_SEED
    if equals:
        for flag in ("fold", "seed", "model_prefix"):
            line = line.replace(f"--{flag} ", f"--{flag}=")
    found = made(script(tmp_path, f"{before}kerasAC_train {line}{after}\n")).document
    assert found["folds"] == {"scheme": "kerasac-10", **({"n": n} if n else {})}
    assert found["seeds"] == seeds
    assert found["name"] == "K562"


def test_seq_of_one_number_begins_at_one(tmp_path: Path):
    found = made(script(tmp_path, f"seed=1\nfor fold in $(seq 5); do kerasAC_train {FOLD_AND_SEED}; done\n"))
    assert "The script's loop trains folds 1, 2, 3, 4, 5; cv trains all folds of the table." in found.text


@pytest.mark.parametrize(
    "after",
    [
        *("2>err.log", "2> err.log", "&> all.log", "&>> all.log", ">log.txt 2>&1 &", "> log.txt", "< /dev/null"),
        *("| tee log", "|& tee log", "2>&1 | tee -a log", "2> >(tee log)", "; echo done", "&", "# --fold 3"),
    ],
)
def test_redirections_and_what_follows_are_no_values(tmp_path: Path, after: str):
    line = changed(TRAIN, tasks="K562")
    assert made(script(tmp_path, f"kerasAC_train {line} {after}\n")).document["datasets"] == ["K562"]


@pytest.mark.parametrize(
    "other",
    [
        "echo running kerasAC_train now",
        'echo "starting; kerasAC_train"',
        "cat <<EOF\nkerasAC_train --fold 9 --it's\nEOF",
        "cat <<-'END' > note\nkerasAC_train --fold 9\n\tEND",
        "# kerasAC_train --fold 9",
        "true # kerasAC_train --fold 9",
        "which kerasAC_train || exit 1",
        "command -v kerasAC_train >/dev/null",
        "pip show kerasAC_train",
    ],
)
def test_a_name_that_begins_no_command_is_no_training(tmp_path: Path, other: str):
    found = made(script(tmp_path, f"{other}\nkerasAC_train {TRAIN}\n{other}\n"))
    assert f"line {other.count(chr(10)) + 2}: kerasAC_train" in found.text


@pytest.mark.parametrize(
    "start",
    [
        "nohup ",
        "CUDA_VISIBLE_DEVICES=0 ",
        "time ",
        "srun -n 1 ",
        "(",
        "if ! ",
        "/opt/env/bin/",
        "conda run -n env ",
        "X=1 nice ",
    ],
)
def test_a_training_may_be_started_by_another_command(tmp_path: Path, start: str):
    assert [one.name for one in read_script(script(tmp_path, f"{start}kerasAC_train --fold 1\n"))] == ["kerasAC_train"]


@pytest.mark.parametrize(
    ("loop", "named"),
    [
        ("for fold in $(cat folds.txt); do", "of 'for fold in $(cat folds.txt)'"),
        ("for fold in `ls folds`; do", "of 'for fold in `ls folds`'"),
        ("for fold in $folds; do", "of 'for fold in $folds'"),
        ('for fold in "$@"; do', "of 'for fold in \"$@\"'"),
        ("for fold in 0 $more; do", "of 'for fold in 0 $more'"),
        ("for fold in fold_*; do", "of 'for fold in fold_*'"),
        ("for ((fold=0; fold<$n; fold++)); do", "of 'for ((fold=0; fold<$n; fold++))'"),
        ("while read -r fold; do", "of 'read -r fold'"),
        ("fold=0; while [ $fold -lt 5 ]; do", "--fold is $((fold+1))"),
        ("fold=0; while ((fold < 5)); do ((fold++))", "of '((fold++))'"),
        ("fold=0; let fold+=1; while true; do", "of 'let fold+=1'"),
    ],
)
def test_a_loop_that_only_a_shell_knows_is_an_error_with_the_way_out(tmp_path: Path, loop: str, named: str):
    line = changed(TRAIN, fold="$fold", model_prefix="out/K562.$fold")
    more = "\nfold=$((fold+1))" if "while [" in loop else ""
    with pytest.raises(ConfigError, match=r"write the values into the loop .*, or set --fold by hand") as error:
        made(script(tmp_path, f"{loop}\nkerasAC_train {line}{more}\ndone\n"))
    assert named in str(error.value)


def test_a_loop_over_datasets_is_several_trainings(tmp_path: Path):
    line = changed(TRAIN, fold="$fold", tasks="$task", model_prefix="out/$task.$fold")
    path = script(tmp_path, f"for task in K562 GM12878; do for fold in 0 1; do kerasAC_train {line}; done; done\n")
    with pytest.raises(ConfigError, match="2: line 1, kerasAC_train: --tasks GM12878"):
        made(path)
    found = made(path, number=2).document
    assert (found["name"], found["datasets"], found["folds"]["n"]) == ("GM12878", ["GM12878"], 2)


def test_a_loop_over_what_has_no_meaning_here_is_one_training(tmp_path: Path):
    line = changed(TRAIN, threads="$threads")
    assert made(script(tmp_path, f"for threads in 1 2; do kerasAC_train {line}; done\n")).document["seeds"] == [1234]


def test_folds_with_seeds_of_their_own_are_refused(tmp_path: Path):
    text = f"train() {{ fold=$1; seed=$2; kerasAC_train {FOLD_AND_SEED}; }}\ntrain 0 5\ntrain 1 6\n"
    with pytest.raises(ConfigError, match=r"not every fold \(0, 1\) is trained with every seed \(5, 6\)"):
        made(script(tmp_path, text))


def test_of_a_condition_what_the_script_itself_sets_is_taken_and_said(tmp_path: Path):
    text = f'fold=1\nif [ -z "$4" ]\nthen\n    seed=77\nelse\n    seed=$4\nfi\nkerasAC_train {FOLD_AND_SEED}\n'
    found = made(script(tmp_path, text))
    assert found.document["seeds"] == [77]
    assert "# $seed is set under a condition; 77 is taken" in found.text


def test_quotes_keep_a_word_whole(tmp_path: Path):
    text = "both='a b'\nkerasAC_train --tasks \"$both\" '$both' $both c\\ d \\\n --fold=\"$both\"\n"
    (found,) = read_script(script(tmp_path, text))
    assert found.arguments == ["--tasks", "a b", "$both", "a", "b", "c d", "--fold", "a b"]


def test_a_prefix_that_is_set_from_the_fold_names_the_experiment_without_it(tmp_path: Path):
    line = changed(TRAIN, fold="$fold", model_prefix="$prefix")
    text = f"for fold in 0 1 2; do prefix=out/K562.$fold; kerasAC_train {line}; done\n"
    assert made(script(tmp_path, text)).document["name"] == "K562"


def test_what_is_not_set_is_named(tmp_path: Path):
    found = made(script(tmp_path, f"db=$2\nkerasAC_train {changed(TRAIN, tdb_array='$db/x')} \n"))
    assert "# $2: not set in the script; put in what it stands for" in found.text


def test_a_name_that_is_not_set_is_said(tmp_path: Path):
    line = changed(TRAIN, fold="$fold", model_prefix="$outdir/$model.$fold")
    found = made(script(tmp_path, f"fold=$1\nmodel=$3\nkerasAC_train {line}\n"))
    assert found.document["name"] == "model"
    assert "# --fold: $1 is not set in the script; 0 is put in" in found.text
    assert "# $3: not set in the script; put in what it stands for" in found.text


def test_a_loop_over_what_only_a_shell_knows_is_named(tmp_path: Path):
    line = changed(TRAIN, tasks="$task")
    found = made(script(tmp_path, f"for task in $(cat tasks.txt)\ndo\nkerasAC_train {line}\ndone\n"))
    assert "# $task (for task in $(cat tasks.txt)): not set in the script; put in what it stands for" in found.text
