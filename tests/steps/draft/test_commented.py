"""Values of a commented text change, its comments stay."""

from __future__ import annotations

import pytest
import yaml

from kerasac.steps.draft.commented import comment_out, put, remark, uncomment
from kerasac.steps.draft.text import template_text

TEXT = """\
# Top.
name: old          # what it is called
genome:
  fasta: a.fa  # plain or bgzip
  # sizes: a.sizes    # two columns
list:
  - {name: one, source: [a, b], flank: 5}
  - name: two
    deep:
      flank: 7     # bases
    last: {x: 1}   # end
tail: 1
"""


def test_comment_keeps_its_column() -> None:
    assert "name: newer        # what it is called\n" in put(TEXT, "name", "newer")


def test_comment_behind_a_long_value_stays_two_blanks_away() -> None:
    assert "  fasta: /somewhere/else.fa  # plain or bgzip\n" in put(TEXT, "genome.fasta", "/somewhere/else.fa")


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        ("list.one.source", ["c"], "{name: one, source: [c], flank: 5}"),
        ("list.one.flank", 12, "{name: one, source: [a, b], flank: 12}"),
        ("list.two.deep.flank", None, "flank: null  # bases"),
        ("tail", "yes", "tail: 'yes'\n"),
        ("tail", "a, b", "tail: 'a, b'\n"),
        ("tail", "#1", "tail: '#1'\n"),
    ],
)
def test_value_is_what_yaml_reads_back(key: str, value: object, written: str) -> None:
    text = put(TEXT, key, value)
    found = yaml.safe_load(text)
    for part in key.split("."):
        found = found[part] if isinstance(found, dict) else next(item for item in found if item["name"] == part)
    assert found == value
    assert written in text


def test_all_else_stays() -> None:
    assert put(TEXT, "list.two.deep.flank", 9).replace("flank: 9", "flank: 7") == TEXT


@pytest.mark.parametrize("key", ["name", "genome", "list"])
def test_section_becomes_a_comment_and_the_others_stay(key: str) -> None:
    expected = {name: value for name, value in yaml.safe_load(TEXT).items() if name != key}
    assert yaml.safe_load(comment_out(TEXT, key)) == expected


def test_comments_of_a_section_stay_in_their_column() -> None:
    lines = comment_out(TEXT, "list").splitlines()
    assert lines[lines.index("# list:") + 4] == "#       flank: 7   # bases"
    assert lines[-2:] == ["#     last: {x: 1}  # end", "tail: 1"]


def test_comment_line_becomes_a_key_and_back() -> None:
    text = uncomment(TEXT, "sizes")
    assert yaml.safe_load(text)["genome"]["sizes"] == "a.sizes"
    assert comment_out(text, "genome.sizes") == TEXT


def test_remark_stands_above_its_key() -> None:
    lines = remark(TEXT, "genome.fasta", ["One.", "Two."]).splitlines()
    assert lines[2:6] == ["genome:", "  # One.", "  # Two.", "  fasta: a.fa  # plain or bgzip"]


@pytest.mark.parametrize("key", ["nane", "genome.sizes", "list.three.flank", "name.more"])
def test_unknown_key_is_an_error(key: str) -> None:
    with pytest.raises(LookupError, match=key):
        put(TEXT, key, 1)


def test_comment_line_that_is_not_there_or_twice_is_an_error() -> None:
    with pytest.raises(LookupError, match="0 comment lines"):
        uncomment(TEXT, "fasta")
    with pytest.raises(LookupError, match="2 comment lines"):
        uncomment(TEXT + "# sizes: b\n", "sizes")


def test_long_list_is_broken_into_lines() -> None:
    names = [f"dataset-number-{i}" for i in range(30)]
    text = put(TEXT, "name", names)
    assert yaml.safe_load(text) == yaml.safe_load(TEXT) | {"name": names}
    assert max(map(len, text.splitlines())) < 140


def test_templates_own_values_give_the_template_back() -> None:
    text = template_text()
    document = yaml.safe_load(text)
    for section, keys in (("genome", ("fasta", "chrom_sizes", "blacklist")), ("folds", ("n",)), ("score", ("peaks",))):
        for key in keys:
            assert put(text, f"{section}.{key}", document[section][key]) == text
    assert put(text, "outputs.profile.source", document["outputs"][0]["source"]) == text
    assert put(text, "sampling.regions.bed", document["sampling"]["regions"]["bed"]) == text
