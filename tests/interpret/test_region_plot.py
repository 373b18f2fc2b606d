from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig
import pytest
from blocks import block, facts
from contributions_made import SIZES, write_contributions
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch
from PIL import Image
from scipy.special import softmax
from tiny import write_fasta

from kerasac.errors import GenomeError, InterpretError, ScoreError
from kerasac.interpret.plots.choices import Format, Kind
from kerasac.interpret.plots.draw import draw_places
from kerasac.interpret.plots.places import Place, places
from kerasac.interpret.plots.region import MAX_LETTERS_BP, Look, region_figure, shared_limits
from kerasac.interpret.plots.tracks import Files, Track, open_sources, read_tracks
from kerasac.steps.prediction_shards import write_blocks


def read(files: Files, place: Place, kinds: tuple[Kind, ...] = tuple(Kind)) -> list[Track]:
    with open_sources(files, kinds) as sources:
        return read_tracks(sources, place)


def counting(path: Path, *, n: int = 3, width: int = 20, step: int = 20, **options: Any) -> Path:
    """Contributions whose value at p is p, in windows ``step`` apart; the letters are A, C, G, T, and again."""
    start = 100 + step * np.arange(n)
    at = start[:, None] + np.arange(width)
    hypothetical = np.repeat(at[:, :, None], 4, axis=2)
    return write_contributions(path, (at % 4).astype(np.uint8), hypothetical, start=start, **options)


def bigwig(path: Path, values: np.ndarray, start: int, sizes: dict[str, int] | None = None) -> Path:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list((sizes or SIZES).items()))
        file.addEntries("chr1", start, values=values.astype(float), span=1, step=1)
    return path


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("chr1:5-10", Place("chr1", 5, 10)),
        ("chr1:1,000-2,000", Place("chr1", 1000, 2000)),
        ("chrUn:odd:1_0–20", Place("chrUn:odd", 10, 20)),
    ],
)
def test_places_are_read_as_people_write_them(text: str, place: Place) -> None:
    assert places([text]) == [place]


def test_places_of_a_file_follow_those_that_are_named_each_once(tmp_path: Path) -> None:
    bed = tmp_path / "a.bed"
    bed.write_text("chr1\t5\t10\nchr2\t0\t4\nchr2\t8\t9\n")
    assert places(["chr1:5-10"], bed, first=2) == [Place("chr1", 5, 10), Place("chr2", 0, 4)]
    assert places(["chr1:5-10"], bed, flank_bp=10) == [Place("chr1", 0, 17), Place("chr2", 0, 12), Place("chr2", 0, 18)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["chr1"],), "'chr1' is no region; give chrom:start-end"),
        ((["chr1:10-10"],), "its start is not below its end"),
        (([],), "nothing to draw: give regions"),
        ((["chr1:1-2"], None), None),
    ],
)
def test_what_is_no_place_is_said(arguments: Any, message: str | None) -> None:
    if message is None:
        assert places(*arguments)
        return
    with pytest.raises(InterpretError, match=message):
        places(*arguments)


@pytest.mark.parametrize("step", [20, 10, 5])
def test_a_base_has_its_own_contribution_wherever_windows_overlap(step: int, tmp_path: Path) -> None:
    files = Files(contributions=(counting(tmp_path / "a.h5", step=step),))
    (track,) = read(files, Place("chr1", 103, 118))
    np.testing.assert_array_equal(track.values.sum(axis=1), np.arange(103, 118))
    np.testing.assert_array_equal(track.values.argmax(axis=1), np.arange(103, 118) % 4)


def test_of_overlapping_windows_the_one_with_the_nearest_centre_counts(tmp_path: Path) -> None:
    tokens = np.zeros((2, 10), dtype=np.uint8)
    hypothetical = np.array([1.0, 2.0])[:, None, None] * np.ones((2, 10, 4))
    path = write_contributions(tmp_path / "a.h5", tokens, hypothetical, start=np.array([100, 104]))
    (track,) = read(Files(contributions=(path,)), Place("chr1", 100, 114))
    assert track.values[:, 0].tolist() == [1] * 7 + [2] * 7


def test_bases_without_a_window_have_no_value_and_no_letter(tmp_path: Path) -> None:
    place = Place("chr1", 90, 130)
    tracks = read(Files(contributions=(counting(tmp_path / "a.h5", n=1),)), place)
    assert np.isnan(tracks[0].values[:10]).all()
    assert not np.isnan(tracks[0].values[10:30]).any()
    axes = region_figure(place, tracks, Look()).axes[0]
    letters = [patch for patch in axes.get_children() if isinstance(patch, PathPatch)]
    assert min(patch.get_path().get_extents().x0 for patch in letters) >= 100


def test_contributions_of_a_bigwig_get_their_letters_from_the_fasta(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "g.fa", {"chr1": "ACGTN" * 2000, "chr2": "A" * 5000})
    path = bigwig(tmp_path / "a.bw", np.arange(1.0, 11), 5)
    (track,) = read(Files(contributions=(path,), fasta=fasta), Place("chr1", 5, 10))
    np.testing.assert_array_equal(track.values, np.vstack([np.diag([1, 2, 3, 4]), np.zeros(4)]))
    assert track.label == "contributions, a"


def test_files_of_one_head_have_tracks_of_their_own_in_the_same_units(tmp_path: Path) -> None:
    paths = tuple(
        counting(tmp_path / f"{name}.h5", head=head)
        for name, head in (("a", "counts"), ("b", "counts"), ("c", "profile"))
    )
    place = Place("chr1", 100, 120)
    tracks = read(Files(contributions=paths), place)
    assert [track.label for track in tracks] == [
        "contributions to log counts, a",
        "contributions to log counts, b",
        "contributions to the profile",
    ]
    assert tracks[0].units == tracks[1].units != tracks[2].units
    assert len(region_figure(place, tracks, Look()).axes) == 3


def test_profiles_are_counts_a_base_and_two_tasks_are_strands(tmp_path: Path) -> None:
    whole = block(4)
    write_blocks(tmp_path / "p.h5", [whole], 4, facts())
    tracks = read(Files(predictions=tmp_path / "p.h5"), Place("chr1", 147, 153))
    assert [(track.kind, track.sign) for track in tracks] == [
        (Kind.OBSERVED, 1),
        (Kind.OBSERVED, -1),
        (Kind.PREDICTED, 1),
        (Kind.PREDICTED, -1),
    ]
    assert whole.label_profile is not None
    np.testing.assert_allclose(tracks[1].values, whole.label_profile[1, :, 1])
    shares = softmax(whole.logits[1].astype(float), axis=0)
    np.testing.assert_allclose(tracks[3].values, (shares * (np.exp(whole.logcount[1]) - 1))[:, 1], rtol=1e-5)
    (alone,) = read(Files(predictions=tmp_path / "p.h5", tasks=("minus",)), Place("chr1", 147, 153), (Kind.OBSERVED,))
    np.testing.assert_array_equal(alone.values, tracks[1].values)
    assert alone.sign == 1


def test_two_tasks_that_are_no_strands_have_axes_and_names_of_their_own(tmp_path: Path) -> None:
    place, tasks = Place("chr1", 147, 153), ("K562.unstranded", "HepG2.unstranded")
    write_blocks(tmp_path / "p.h5", [block(4)], 4, replace(facts(), tasks=tasks))
    tracks = read(Files(predictions=tmp_path / "p.h5"), place, (Kind.PREDICTED,))
    assert [(track.label, track.sign) for track in tracks] == [(f"predicted, {task}", 1) for task in tasks]
    figure = region_figure(place, tracks, Look())
    assert len(figure.axes) == 2
    assert "strand" not in " ".join(text.get_text() for text in figure.texts)
    write_blocks(tmp_path / "q.h5", [block(4)], 4, replace(facts(), tasks=("K562.plus", "K562.minus")))
    assert [track.sign for track in read(Files(predictions=tmp_path / "q.h5"), place, (Kind.PREDICTED,))] == [1, -1]


def test_a_file_without_labels_has_nothing_observed(tmp_path: Path) -> None:
    write_blocks(tmp_path / "p.h5", [block(4, labelled=False)], 4, facts())
    files, place = Files(predictions=tmp_path / "p.h5"), Place("chr1", 147, 153)
    assert {track.kind for track in read(files, place)} == {Kind.PREDICTED}
    with pytest.raises(InterpretError, match=r"p\.h5 has no labels, so nothing observed"):
        read(files, place, (Kind.OBSERVED,))


def test_profiles_of_bigwigs_are_0_where_nothing_was_counted(tmp_path: Path) -> None:
    files = Files(
        observed=(bigwig(tmp_path / "o.bw", np.ones(5), 10),),
        predicted=(bigwig(tmp_path / "p.bw", np.ones(5) * 2, 12),),
    )
    tracks = read(files, Place("chr1", 8, 18))
    assert tracks[0].values.tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    assert tracks[1].values.tolist() == [0, 0, 0, 0, 2, 2, 2, 2, 2, 0]


def drawn(place: Place, values: np.ndarray, **look: Any) -> Any:
    track = Track(Kind.CONTRIBUTIONS, "contributions to log counts", values, "effect")
    return region_figure(place, [track], Look(**look)).axes[0]


def letters(axes: Any) -> list[PathPatch]:
    return [one for one in axes.get_children() if isinstance(one, PathPatch) and one.get_path().codes is not None]


def test_wide_places_are_drawn_as_bars() -> None:
    narrow, wide = MAX_LETTERS_BP, MAX_LETTERS_BP + 1
    assert len(letters(drawn(Place("chr1", 0, narrow), np.ones((narrow, 4))))) == 4
    axes = drawn(Place("chr1", 0, wide), np.eye(4)[np.arange(wide) % 4] * 3.0)
    (bars,) = [one for one in axes.patches if hasattr(one, "get_data")]
    assert (bars.get_data().values == 3).all()


def test_bases_without_a_value_are_shaded(tmp_path: Path) -> None:
    place = Place("chr1", 90, 130)
    tracks = read(Files(contributions=(counting(tmp_path / "a.h5", n=1),)), place)
    figure = region_figure(place, tracks, Look())
    spans = [one for one in figure.axes[0].patches if to_hex(one.get_facecolor()) == "#eceef1"]
    assert [(one.get_x(), one.get_x() + one.get_width()) for one in spans] == [(90, 100), (120, 130)]
    assert "Grey: bases that are in no window" in " ".join(text.get_text() for text in figure.texts)


def test_small_contributions_are_left_out() -> None:
    values = np.diag([0.1, -0.5, 2.0, -0.2])
    found = letters(drawn(Place("chr1", 0, 4), values, threshold=0.3))
    assert len(found) == 2


def test_limits_are_those_that_are_asked_for() -> None:
    assert drawn(Place("chr1", 0, 4), np.eye(4), ymin=-3, ymax=7).get_ylim() == (-3, 7)
    low, high = drawn(Place("chr1", 0, 4), np.eye(4)).get_ylim()
    assert low == 0
    assert 1 < high < 1.2


def test_a_shared_scale_holds_all_places() -> None:
    high = [
        Track(Kind.CONTRIBUTIONS, "a", np.eye(4) * 5, "effect"),
        Track(Kind.OBSERVED, "o", np.full(4, 9.0), "counts"),
    ]
    low = [Track(Kind.CONTRIBUTIONS, "b", np.eye(4), "effect"), Track(Kind.OBSERVED, "p", np.ones(4), "counts")]
    look = Look(shared_scale=True)
    limits = shared_limits([high, low], look)
    figures = [region_figure(Place("chr1", 0, 4), tracks, look, limits) for tracks in (high, low)]
    assert len({tuple(axes.get_ylim() for axes in figure.axes) for figure in figures}) == 1


def test_the_caption_says_which_tracks_share_a_scale() -> None:
    def said(units: str, *, shared: bool) -> str:
        tracks = [Track(Kind.CONTRIBUTIONS, name, np.eye(4), name) for name in ("counts", units)]
        figure = region_figure(Place("chr1", 0, 4), tracks, Look(shared_scale=shared))
        return " ".join(" ".join(text.get_text() for text in figure.texts).split())

    assert "Each track is on its own scale." in said("counts", shared=False)
    assert "Each track is on its own scale, the same in all places." in said("profile", shared=True)
    assert "Tracks of the same units are on one scale, the same in all places." in said("counts", shared=True)


@pytest.mark.parametrize("form", list(Format))
def test_a_figure_a_place_is_written(form: Format, tmp_path: Path) -> None:
    path = counting(tmp_path / "a.h5")
    found = places(["chr1:100-110", "chr1:120-140"])
    written = draw_places(found, Files(contributions=(path,)), tmp_path / "out", form=form)
    assert [one.name for one in written] == [f"chr1_100-110.{form}", f"chr1_120-140.{form}"]
    assert all(one.stat().st_size > 1000 for one in written)
    first = written[0].read_bytes()
    draw_places(found, Files(contributions=(path,)), tmp_path / "out", form=form, overwrite=True)
    assert written[0].read_bytes() == first


def test_a_minimal_figure_has_letters_to_its_edges(tmp_path: Path) -> None:
    files = Files(contributions=(counting(tmp_path / "a.h5"),), observed=(bigwig(tmp_path / "o.bw", np.ones(5), 100),))
    (path,) = draw_places(places(["chr1:100-120"]), files, tmp_path / "out", look=Look(minimal=True))
    with Image.open(path) as image:
        dark = np.array(image.convert("L")) < 250
    assert dark[:, :40].any()
    assert dark[:, -40:].any()
    assert not dark[:3].any()


def test_the_figure_says_what_it_shows(tmp_path: Path) -> None:
    place = Place("chr1", 100, 120)
    tracks = read(Files(contributions=(counting(tmp_path / "a.h5", head="profile"),)), place)
    figure = region_figure(place, tracks, Look(title="My gene", threshold=0.5))
    texts = " ".join(text.get_text() for text in figure.texts) + figure.axes[0].get_ylabel()
    for said in ("My gene · chr1:100-120", "Letters are as high", "from 0.5 on", "to the profile"):
        assert said in texts


def test_nothing_is_drawn_over(tmp_path: Path) -> None:
    files = Files(contributions=(counting(tmp_path / "a.h5"),))
    draw_places(places(["chr1:100-120"]), files, tmp_path)
    with pytest.raises(InterpretError, match=r"chr1_100-120\.png is there already"):
        draw_places(places(["chr1:100-120"]), files, tmp_path)


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        (
            "chr1:500-600",
            InterpretError,
            r"no window of .*a\.h5 reaches into chr1:500-600; the nearest is chr1:140-160",
        ),
        ("chr2:500-600", InterpretError, r"a\.h5 has no window on chr2"),
        ("1:100-110", InterpretError, r"has no chromosome '1': it is called 'chr1' there"),
        ("chr1:9,990-10,010", InterpretError, "ends beyond the 10,000 bases that chr1 has"),
    ],
)
def test_places_that_a_file_does_not_have_are_said(
    place: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        draw_places(places([place]), Files(contributions=(counting(tmp_path / "a.h5"),)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_of_different_genomes_are_said(tmp_path: Path) -> None:
    ours = counting(tmp_path / "a.h5")
    other = bigwig(tmp_path / "o.bw", np.ones(5), 100, {"chr1": 9_000})
    with pytest.raises(GenomeError, match="10,000 bases here but 9,000 in"):
        read(Files(contributions=(ours,), observed=(other,)), Place("chr1", 100, 110))
    fasta = write_fasta(tmp_path / "g.fa", {"chr1": "ACGT" * 2500, "chr2": "A" * 5000})
    assert read(Files(contributions=(ours,), fasta=fasta), Place("chr1", 100, 110))
    fasta = write_fasta(tmp_path / "h.fa", {"chr1": "ACGT" * 26 + "C" * 9896, "chr2": "A" * 5000})
    with pytest.raises(InterpretError, match="differ at chr1:104 and 3 more bases; they are of different genomes"):
        read(Files(contributions=(ours,), fasta=fasta), Place("chr1", 100, 110))


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    text = tmp_path / "a.bw"
    text.write_text("no bigWig")
    place = Place("chr1", 0, 5)
    values = bigwig(tmp_path / "b.bw", np.ones(5), 100)
    fasta = write_fasta(tmp_path / "g.fa", {"chr1": "ACGT" * 2500, "chr2": "A" * 5000})
    write_blocks(tmp_path / "p.h5", [block(4)], 4, facts())
    for files, message in (
        (Files(), "nothing to draw: name files"),
        (Files(contributions=(tmp_path / "none.bw",), fasta=fasta), "does not exist"),
        (Files(contributions=(values,)), "has values and no letters; give the genome with --fasta"),
        (Files(contributions=(values,), fasta=fasta), "has no value in chr1:0-5"),
        (Files(observed=(text,)), "not a readable bigWig"),
        (Files(predictions=tmp_path / "none.h5"), "does not exist"),
        (Files(predictions=tmp_path / "p.h5", tasks=("plos",)), "has no task 'plos'; did you mean 'plus'"),
    ):
        with pytest.raises((InterpretError, ScoreError), match=message):
            read(files, place)


@pytest.mark.parametrize(
    ("look", "message"),
    [
        ({"ymin": 2, "ymax": 1}, "--ymin 2 is not below --ymax 1"),
        ({"threshold": -1}, "--threshold is -1"),
    ],
)
def test_a_look_that_cannot_be_drawn_is_said(look: dict[str, float], message: str) -> None:
    with pytest.raises(InterpretError, match=message):
        Look(**look)  # type: ignore[arg-type]


def test_limits_that_leave_nothing_are_said() -> None:
    with pytest.raises(InterpretError, match="leave nothing; give both --ymin and --ymax"):
        drawn(Place("chr1", 0, 4), np.eye(4), ymin=5)


def test_a_minimal_figure_needs_contributions() -> None:
    track = Track(Kind.OBSERVED, "observed", np.ones(4), "counts")
    with pytest.raises(InterpretError, match="there are none"):
        region_figure(Place("chr1", 0, 4), [track], Look(minimal=True))


@pytest.mark.parametrize("first", [0, -1])
def test_a_number_of_places_is_at_least_one(tmp_path: Path, first: int) -> None:
    (tmp_path / "a.bed").write_text("chr1\t5\t10\nchr2\t0\t4\n")
    with pytest.raises(InterpretError, match=f"--first {first} .* give 1 or more"):
        places([], tmp_path / "a.bed", first=first)


def test_a_file_without_regions_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("")
    with pytest.raises(InterpretError, match=r"a\.bed holds no region"):
        places([], tmp_path / "a.bed")


def test_a_number_of_places_needs_a_file() -> None:
    with pytest.raises(InterpretError, match="and --bed FILE"):
        places(["chr1:5-10"], first=2)
