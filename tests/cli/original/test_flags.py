from __future__ import annotations

from pathlib import Path

import pytest

from kerasac.cli.original.flags import file, help_text, number, read_flags, switch, text, whole
from kerasac.cli.original.set_by import with_flags
from kerasac.errors import ConfigError

FLAGS = (
    text("array"),
    text("sources", many=True),
    text("tasks", many=True, also=("datasets",)),
    whole("epochs", default=40),
    number("ratio"),
    number("ratios", many=True),
    switch("revcomp"),
    whole("queue", idle="there is none"),
    text("pickle", refused="name a table"),
    text("kind", choices=("summit", "center")),
    text("names", many=True, repeated=True),
)


def read(*words: str):
    return read_flags("tool", FLAGS, words)


def test_values_have_their_types_and_what_is_not_given_its_default():
    given = read("--array", "a", "--sources", "x,y", "z", "--ratio=0.5", "--ratios", "-1", "2", "--revcomp")
    assert (given.text("array"), given.texts("sources")) == ("a", ("x,y", "z"))
    assert (given.number("ratio"), given.numbers("ratios")) == (0.5, (-1.0, 2.0))
    assert given.is_on("revcomp")
    assert (given.whole("epochs"), given.has("epochs"), given.text("kind")) == (40, False, None)


def test_short_flags_are_their_long_ones():
    flags = (text("table", short="t"), number("least", short="th"))
    given = read_flags("tool", flags, ["-t", "a.tsv", "-th", "-0.5"])
    assert (given.text("table"), given.number("least")) == ("a.tsv", -0.5)
    assert "--table, -t TEXT" in help_text("tool", "does it", flags)


def test_a_beginning_that_one_flag_has_is_that_flag():
    given = read("--epo", "3", "--data", "a", "--rev", "--ratio", "0.5", "--source=x")
    assert (given.whole("epochs"), given.texts("tasks"), given.texts("sources")) == (3, ("a",), ("x",))
    assert (given.is_on("revcomp"), given.number("ratio"), given.has("ratios")) == (True, 0.5, False)


@pytest.mark.parametrize("word", ["-mfile", "-m=file", "-m file"])
def test_a_value_may_follow_a_short_flag_without_a_space(word: str):
    flags = (text("motifs", short="m"), number("least", short="tt"), number("trim", short="th"))
    assert read_flags("tool", flags, word.split()).text("motifs") == "file"
    assert read_flags("tool", flags, ["--least", "-.5"]).number("least") == -0.5
    with pytest.raises(ConfigError, match="-t may be -tt or -th; give it in full"):
        read_flags("tool", flags, ["-t", "1"])


@pytest.mark.parametrize(("word", "on"), [("0", False), ("1", True), ("yes", True), ("False", False)])
def test_a_switch_that_the_original_reads_takes_any_word(word: str, on: bool):
    flags = (switch("use_multiprocessing", any_word=True),)
    assert read_flags("tool", flags, ["--use_multiprocessing", word]).is_on("use_multiprocessing") is on


def test_the_word_none_is_no_value():
    assert read("--array", "None").text("array") is None


def test_names_of_other_versions_are_the_same_flag():
    assert read("--datasets", "a", "b").texts("tasks") == ("a", "b")


def test_the_last_one_of_a_flag_counts():
    assert read("--array", "a", "--array", "b").text("array") == "b"
    assert read("--names", "a", "b", "--names", "c").values["names"] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(("word", "on"), [("True", True), ("False", False)])
def test_switch_may_be_followed_by_true_or_false(word: str, on: bool):
    assert read("--revcomp", word).is_on("revcomp") is on


def test_flag_without_meaning_gives_one_line():
    assert read("--queue", "20").remarks == ["--queue: no meaning here, there is none"]
    assert read("--array", "a").remarks == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arrray", "a"], "tool has no flag '--arrray'; did you mean '--array'"),
        (["--epochs", "many"], "--epochs is 'many'; it takes a whole number"),
        (["--epochs"], "--epochs takes one value; there is none"),
        (["--epochs", "1", "2"], "'2' is too many"),
        (["--ratio_", "1"], "no flag '--ratio_'"),
        (["--rat", "1"], "--rat may be --ratio or --ratios; give it in full"),
        (["--revcomp", "twice"], "--revcomp is a switch; 'twice' does not belong to it"),
        (["--kind", "summmit"], "--kind is 'summmit'; did you mean 'summit'"),
        (["--pickle", "p"], "--pickle is not offered: name a table"),
        (["array", "a"], "'array' is no flag"),
    ],
)
def test_what_is_wrong_is_named(words: list[str], said: str):
    with pytest.raises(ConfigError, match=said):
        read(*words)


def test_help_says_of_every_flag_what_it_is_here():
    lines = help_text("tool", "does it", FLAGS)
    assert "--tasks, --datasets TEXT …" in lines
    assert "without meaning here: there is none" in lines
    assert "not offered: name a table" in lines
    assert "(default 40)" in lines


def test_files_that_are_named_must_be_there(tmp_path: Path):
    there = tmp_path / "there.fa"
    there.touch()
    flags = (file("fasta"), file("labels", many=True), file("sizes", idle="the array has them"))
    read_flags("tool", flags, ["--fasta", str(there), "--sizes", "nowhere"]).check_files()
    read_flags("tool", flags, ["--fasta", "s3://bucket/genome.fa"]).check_files()
    with pytest.raises(ConfigError, match=r"--labels nowhere\.tsv does not exist"):
        read_flags("tool", flags, ["--labels", str(there), "nowhere.tsv"]).check_files()


@pytest.mark.parametrize(
    ("message", "added"),
    [
        ("training.epochs is 0", " (set by --epochs)"),
        ("epochs is 0", ""),
        ("training.epochs_more and my.training.epochs.more", ""),
        ("set labels.train.", " (set by --bins or --index)"),
        ("training.epochs, labels.train", " (set: training.epochs by --epochs, labels.train by --bins or --index)"),
        ("labels: which", ""),
    ],
)
def test_keys_of_a_message_are_followed_by_their_flags(message: str, added: str):
    flags = (
        whole("epochs", "training.epochs"),
        file("bins", "labels.train"),
        file("index", "labels.train"),
        text("other", "labels: which"),
    )
    assert with_flags(message, read_flags("tool", flags, [])) == message + added
    given = read_flags("tool", flags, ["--index", "a"])
    assert with_flags(message, given) == message + added.replace("--bins or ", "")
