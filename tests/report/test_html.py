"""The HTML report: text stays text, nothing is asked of a network, every number is one that was given."""

import base64
import io
import re
import unicodedata
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dn2core.ingest.names import show
from dn2core.report import figures
from dn2core.report.html import (
    ENGLISH,
    Counts,
    Event,
    Forecast,
    Limit,
    MapPoints,
    NearNormal,
    Odd,
    Picture,
    Report,
    State,
    Words,
    report_html,
)
from tests.browser import chromium

NOW = datetime(2026, 7, 3, 14, 5, tzinfo=timezone(timedelta(hours=2)))
WORDS = Words(ENGLISH, NOW)
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</style></title></script><script>alert(2)</script>",
    '"\' onload=alert(3) x="',
    "javascript:alert(4)",
    "<!-- {{ 7 * 7 }} {% raw %} {name} {0.__class__} %s &amp; &#60;",
    "<a href=http://evil.example/>x</a> url(http://evil.example/)",
    "]]></svg><svg onload=alert(5)>",
    "invoice\u202egnp.exe \u2066x\u200e",
    "nul\x00 bell\x07 escape\x1b c1\x9b tab\t line\nend\r\n",
    "half \ud800 and \udcff",
    "W" * 300,
    "מחשב 画像 größe.png",
    "",
]


def jpeg(shade: int = 120) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (48, 36), (shade, 90, 70)).save(out, "JPEG")
    return out.getvalue()


def picture(text: str = "a.jpg", score: float = 0.8, neighbours: int = 3, **more) -> Picture:
    near = tuple(NearNormal(f"{text}"[:40], jpeg(), 1.1 + i, 0.5) for i in range(neighbours))
    return Picture(text, jpeg(), "reject", 99.64, 2.34, score, "defect", text, text, near, **more)


def report(text: str = "plain words", **more) -> Report:
    """A report with `text` in every place that takes text."""
    given = {
        "project": text,
        "made_at": NOW,
        "author": text,
        "state": State(3, 40, NOW - timedelta(days=1), text, text, text, text),
        "answer": text,
        "counts": Counts(1234, 1200, 20, 14, 3, 4, 5),
        "settings": ((text, text),),
        "limits": (Limit(text, 0.42, text), Limit(text, 0.31, text)),
        "forecasts": (Forecast(text, 0.0123, 0.0003, 0.051, text),),
        "warnings": (text,),
        "normal_scores": np.linspace(0.1, 0.42, 40),
        "scored_scores": np.linspace(0.1, 0.9, 60),
        "map": MapPoints(np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 4),
        "flagged": (picture(text, capture=(text, text)),),
        "missed": (picture(text),),
        "places": (picture(text, heat=jpeg(9), place=2.5),),
        "captures": (Odd(text, "review", text),),
        "history": (Event(NOW, text, text),),
        "evaluation": ((text, text),),
        "software": ((text, text),),
    }
    return Report(**(given | more))


class Page(HTMLParser):
    """What a browser would make of the file, as far as the standard library sees it."""

    VOID = {"meta", "img", "br"}

    def __init__(self, data: bytes):
        super().__init__()
        self.tags, self.attributes, self.texts, self.style, self.open = [], [], [], "", []
        self.feed(data.decode("utf-8"))
        self.close()
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        elif data.strip():
            self.texts.append(data.strip())

    def values(self, tag: str, name: str) -> list[str]:
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


def page(made: Report, *args, **more) -> Page:
    return Page(report_html(made, *args, **more))


def visible(text: str) -> str:
    return " ".join(show(text, 4000).split())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_element_and_comes_back_letter_by_letter(text):
    seen, plain = page(report(text)), page(report())
    breaks = seen.tags.count("br")
    assert [tag for tag in seen.tags if tag != "br"] == plain.tags if text else seen.tags
    assert breaks == 3 * (len(re.split(r"\r\n|\n", text.strip())) - 1)
    assert seen.style == plain.style and not seen.open
    if text.strip():
        # Heading, answer, warning, two limits and a forecast with their sentences, the state, settings, ...
        assert seen.text.count(visible(text)) >= 20
        assert " ".join(seen.values("img", "alt")[0].split()) == f"Image {visible(text)}".strip()


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=60))
def test_any_text_comes_back(text):
    made = report(project=text, flagged=(replace(picture(), name=text),))
    seen = page(made)
    assert seen.tags == page(report(flagged=(picture(),))).tags
    assert seen.text.count(visible(text)) >= 2
    for hidden in filter(lambda letter: unicodedata.category(letter) in ("Cc", "Cs", "Zl"), text):
        assert hidden not in "".join(seen.texts).replace("\n", "")


def test_every_text_of_a_report_is_shown():
    near = NearNormal("near name", jpeg(), None, 0.77)
    one = replace(picture("file name"), note="note words", author="note author", neighbours=(near,))
    one = replace(one, capture=("capture sentence", "number sentence"))
    made = report(
        project="project name",
        author="report author",
        state=State(3, 40, NOW, "state reason", "abcdef0123", "backbone title", "preset words"),
        answer="answer sentence",
        settings=(("setting label", "setting value"),),
        limits=(Limit("limit name", 0.42, "limit sentence"),),
        forecasts=(Forecast("forecast name", 0.1, 0.05, 0.2, "forecast sentence"),),
        warnings=("warning one", "warning two"),
        flagged=(one,),
        missed=(),
        captures=(Odd("odd name", "pass", "odd words"),),
        history=(Event(NOW, "event author", "event words"),),
        evaluation=(("evaluation label", "evaluation value"),),
        software=(("software name", "software version"),),
    )
    text = page(made).text
    for mark in re.findall(r"'([a-z]+ [a-z]+|abcdef0123)'", repr(made).replace('"', "'")):
        assert mark in text, mark
    assert "0.770" in text  # the distance stands in where no usual spacing is known


def test_users_text_stands_in_no_attribute_but_alt():
    seen = page(report("MARKED"))
    assert {name for _, name, value in seen.attributes if value and "MARKED" in value} == {"alt"}
    assert not [name for _, name, _ in seen.attributes if name.startswith("on")]


def test_nothing_is_fetched_and_nothing_runs():
    data = report_html(report())
    seen = Page(data)
    assert b"http:" not in data and b"https:" not in data and b"@import" not in data and b"url(" not in data
    assert {"script", "link", "iframe", "object", "base", "form"}.isdisjoint(seen.tags)
    sources = seen.values("img", "src")
    assert sources and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert {value[0] for value in seen.values("a", "href")} == {"#"}
    assert seen.values("meta", "content")[0].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline';")


def test_every_link_of_the_contents_leads_somewhere():
    seen = page(report())
    places = {value for _, name, value in seen.attributes if name == "id"}
    assert {href[1:] for href in seen.values("a", "href")} <= places


def test_what_a_screen_reader_needs():
    seen = page(report())
    assert seen.values("html", "lang") == ["en"] and seen.tags.count("h1") == 1
    assert seen.tags.count("caption") == seen.tags.count("table") == seen.tags.count("thead") == 7
    assert len(seen.values("img", "alt")) == seen.tags.count("img")
    drawings = [tag for tag, name, _ in seen.attributes if tag == "svg" and name in ("aria-label", "aria-hidden")]
    assert len(drawings) == seen.tags.count("svg")


def test_pictures_are_those_given():
    shown = page(report(missed=(), places=(), flagged=(replace(picture(neighbours=0), jpeg=jpeg(7)),)))
    (source,) = shown.values("img", "src")
    assert base64.b64decode(source.partition(",")[2]) == jpeg(7)


@pytest.mark.parametrize("lost", [b"", b"<svg onload=alert(1)>", b"\x89PNG"])
def test_a_lost_picture_is_said(lost):
    seen = page(report(missed=(), places=(), flagged=(replace(picture(neighbours=0), jpeg=lost),)))
    assert "img" not in seen.tags and ENGLISH["picture.lost"] in seen.text


def test_the_heat_stands_beside_its_picture_and_its_scale_is_told_once():
    one, other, quiet = (picture(name, neighbours=0, place=2.5) for name in ("a.jpg", "b.jpg", "c.jpg"))
    one, other = replace(one, heat=jpeg(9)), replace(other, heat=jpeg(11))
    seen = page(report(missed=(quiet,), flagged=(one, other), places=(one,)))
    alts = seen.values("img", "alt")
    assert alts == [
        "Image c.jpg",
        *("Image a.jpg", "Image a.jpg, where it is unusual"),
        *("Image b.jpg", "Image b.jpg, where it is unusual"),
        *("Image a.jpg", "Image a.jpg, where it is unusual"),
    ]
    sources = [base64.b64decode(source.partition(",")[2]) for source in seen.values("img", "src")]
    assert sources == [jpeg(), jpeg(), jpeg(9), jpeg(), jpeg(11), jpeg(), jpeg(9)]
    assert seen.text.count("2.50 x the limit at its worst place") == 4
    assert seen.text.count("half the limit or less limit 1.5 times or more") == 1
    gradient = next(value for value in seen.values("div", "style") if "gradient" in value)
    assert "#0072B2 0%" in gradient and "#EEEEEE 50%" in gradient and "#D55E00 100%" in gradient


def test_without_heat_there_is_no_scale():
    seen = page(report(places=()))
    assert "half the limit or less" not in seen.text and "its worst place" not in seen.text
    assert "Found by a single place only" not in seen.text


def test_what_a_single_place_gave_away_comes_the_worst_place_first():
    pictures = tuple(picture(f"p{i}", score=1 - i / 10, neighbours=0, place=i + 0.5) for i in range(3))
    seen = page(report(flagged=(), missed=(), places=pictures, places_total=12))
    assert list(dict.fromkeys(text for text in seen.texts if re.fullmatch(r"p\d", text))) == ["p2", "p1", "p0"]
    assert "3 of 12 are shown" in seen.text and "#places" in seen.values("a", "href")


def test_what_is_unusual_about_the_capture_stands_by_its_picture():
    told = ("Check the capture: the lamp is off.", "Brightness 0 %; the normals have 50 %.")
    seen = page(report(missed=(), places=(), flagged=(picture("a.jpg", capture=told), picture("b.jpg", score=0.1))))
    first, rest = seen.text.split(" b.jpg ", 1)
    assert " ".join(told) in first and told[0] not in rest


def test_images_taken_unlike_the_normals_are_listed_as_given():
    odd = tuple(Odd(f"o{i}", verdict, f"word {i}") for i, verdict in enumerate(("pass", "review", "reject")))
    seen = page(report(captures=odd, captures_total=1200), most=2)
    assert "o0 pass word 0 o1 review word 1" in seen.text and "o2" not in seen.text
    assert "2 of 1,200 are shown" in seen.text and "#captures" in seen.values("a", "href")
    without = page(report(captures=()))
    assert ENGLISH["captures"] not in without.text and "#captures" not in without.values("a", "href")


def test_numbers_worked_out_by_hand():
    text = page(report()).text.replace("\u00a0", " ")
    for words in (
        "1,234 new images",
        "labelled by people: 3 good, 4 defect, 5 unsure",
        "farther than 99.6 % of the normals",
        "2.3 x of the usual spacing",
        "score 0.800",
        "confirmed defect, says plain words",
        "1.2 % 0.03 % and 5.1 %",
        "3, of 2026-07-02 14:05",
        "Made on 2026-07-03 14:05 by plain words. All times are UTC+02:00.",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (WORDS.percent(99.9999), "99.9 %"),
        (WORDS.percent(100), "100 %"),
        (WORDS.percent(0), "0 %"),
        (WORDS.percent(0.0004), "0.0004 %"),
        (WORDS.percent(0.31), "0.31 %"),
        (WORDS.percent(0.3), "0.3 %"),
        (WORDS.percent(1e-9), "0.000000 %"),
        (WORDS.farther(100), "farther than all normals"),
        (WORDS.farther(99.99), "farther than 99.9 % of the normals"),
        (WORDS.raw(0.42), "0.420"),
        (WORDS.raw(0.00123), "0.00123"),
        (WORDS.raw(1234.5), "1,234"),
        (WORDS.raw(3e-7), "3.00e-07"),
        (WORDS.raw(0), "0"),
        (WORDS.times(2.34), "2.3 x"),
        (WORDS.times(250.0), "250 x"),
        (WORDS.times(None), "–"),
        (WORDS.raw(np.nan), "–"),
        (WORDS.percent(np.inf), "–"),
        (WORDS.interval(np.nan, np.nan), "–"),
        (WORDS.interval(0, np.nan), "0 % and –"),
        (WORDS.zone(NOW), "UTC+02:00"),
        (WORDS.zone(NOW.replace(tzinfo=None)), "UTC+02:00"),
        (Words(ENGLISH, NOW.astimezone(UTC)).zone(NOW), "UTC"),
        (WORDS.moment(NOW.astimezone(UTC)), "2026-07-03 14:05"),
    ],
)
def test_how_numbers_and_times_are_written(written, words):
    assert written.replace("\u00a0", " ") == words


def test_nan_shows_as_a_dash():
    nothing = replace(picture(), percentile=np.nan, multiple=np.nan, score=np.nan)
    made = report(flagged=(nothing,), limits=(Limit("l", np.nan),), forecasts=(Forecast("f", *[np.nan] * 3),))
    seen = page(made)
    assert "nan" not in " ".join([*seen.texts, *(value or "" for *_, value in seen.attributes if len(value) < 9999)])
    assert "farther than – of the normals" in seen.text and "– of the usual spacing score –" in seen.text


def test_an_empty_report_is_a_report():
    seen = page(Report("p", NOW, "", State(1, 1, NOW, "", "f", "b", "s"), "Nothing was scored."))
    for key in ("figure.none", "limits.none", "flagged.none"):
        assert ENGLISH[key] in seen.text
    assert "Made on 2026-07-03 14:05." in seen.text
    assert "img" not in seen.tags and "map" not in [value for _, name, value in seen.attributes if name == "id"]


def test_the_most_unusual_come_first_and_the_rest_is_counted():
    pictures = tuple(picture(f"p{i:02}", score=score) for i, score in enumerate([0.5, np.nan, 0.9, 0.7]))
    seen = page(report(missed=(), flagged=pictures, flagged_total=2400), most=3)
    names = [text for text in seen.texts if re.fullmatch(r"p\d\d", text)]
    assert list(dict.fromkeys(names)) == ["p02", "p03", "p00"]
    assert "3 of 2,400 flagged images are shown; the CSV beside this file lists all." in seen.text


def test_more_pictures_than_the_default_are_counted_without_a_total():
    seen = page(report(missed=(), places=(), flagged=tuple(picture(neighbours=0) for _ in range(61))))
    assert seen.tags.count("img") == 60 and "60 of 61 flagged images" in seen.text


def test_neighbours_beyond_the_first_five_are_counted():
    seen = page(report(missed=(), places=(), flagged=(picture(neighbours=7),)))
    assert seen.tags.count("img") == 1 + 5 and "The 5 nearest normals of 7 compared" in seen.text


def test_history_is_newest_first_and_bounded():
    events = tuple(Event(NOW - timedelta(hours=i), "who", f"event {i}") for i in (5, 3, *range(10, 300)))
    seen = page(report(history=events))
    told = [text for text in seen.texts if text.startswith("event ")]
    assert told[:3] == ["event 3", "event 5", "event 10"] and len(told) == 200
    assert "200 of 292 entries" in seen.text


def test_missed_defects_have_their_own_gallery():
    with_missed = page(report(missed=(picture("missed.jpg"),)))
    assert "Known defects that are missed" in with_missed.text and "missed.jpg" in with_missed.text
    assert "Known defects that are missed" not in page(report(missed=())).text


@pytest.mark.parametrize("form", [dict, lambda texts: texts.__getitem__])
def test_words_can_be_replaced(form):
    marked = {key: f"«{text}»" for key, text in ENGLISH.items()} | {
        "lang": "de", "dir": "ltr", "decimal": ",", "thousands": ".", "none": "-"
    }  # fmt: skip
    seen = page(report("X"), form(marked))
    assert seen.values("html", "lang") == ["de"] and "1.234" in seen.text and "0,800" in seen.text
    # What remains without its marks is what the caller gave, numbers and times.
    rest, inner = seen.text, 1
    while inner:
        rest, inner = re.subn(r"«[^«»]*»", "", rest)
    assert not re.findall(r"[A-Za-z]{2,}", rest)


def test_gaps_in_a_translation_are_english():
    seen = page(report(), {"map": "Karte"})
    assert "Karte" in seen.texts and "History" in seen.texts


def test_every_word_is_used():
    asked = set()
    made = report(flagged=(picture(neighbours=7), replace(picture(), percentile=100), replace(picture(), jpeg=b"")))
    far = replace(made, scored_scores=np.array([0.1, 99]), history=made.history * 300, flagged_total=9, missed_total=9)
    far = replace(far, places_total=9, captures_total=9)
    empty = Report("p", NOW, "", State(1, 1, NOW, "", "f", "b", "s"), "")
    good = replace(empty, flagged=(replace(picture(), label="good", multiple=np.nan),))
    unsure = replace(empty, flagged=(replace(picture(), label="unsure", author=""),))
    for one in (made, far, empty, good, unsure):
        report_html(one, lambda key: (asked.add(key), ENGLISH[key])[1])
    assert asked == set(ENGLISH)


def test_the_same_report_gives_the_same_bytes():
    assert report_html(report()) == report_html(report())
    assert report_html(_many_points()) == report_html(_many_points())


def test_a_hundred_thousand_points_stay_a_small_picture():
    data = report_html(_many_points())
    assert len(data) < 1_000_000
    (source,) = [s for s in Page(data).values("img", "src") if s.startswith("data:image/png")]
    image = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    counts = dict(map(reversed, image.convert("RGBA").getcolors()))
    assert set(counts) == {(0, 0, 0, 0), *((*bytes.fromhex(tone[1:]), 255) for tone in figures.TONES.values())}


def _many_points() -> Report:
    rng = np.random.default_rng(1)
    return report(map=MapPoints(rng.normal(size=(100_000, 2)), rng.integers(0, 4, 100_000)))


def _marks(svg: str) -> dict[str, list[tuple[float, float]]]:
    """Where the marks of each colour begin."""
    paths = re.findall(r'<path fill="(#\w+)" fill-opacity="[^"]+" d="([^"]+)"', svg)
    return {fill: [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)", d)] for fill, d in paths}


def test_marks_of_a_map_lie_where_their_points_lie():
    xy = np.array([[0, 0], [2, 0], [0, 1], [np.nan, 0], [2, 1]])
    marks = _marks(figures.map_drawing(xy, np.array([0, 1, 2, 3, 3]), WORDS))
    assert {fill: len(at) for fill, at in marks.items()} == dict.fromkeys(figures.TONES.values(), 1)
    origin, right, up, corner = (np.array(marks[figures.TONES[name]][0]) for name in figures.CODES)
    assert right[1] == origin[1] and right[0] > origin[0]
    assert up[0] == origin[0] and up[1] < origin[1]  # y grows upwards on a map, downwards on a screen
    assert (right - origin)[0] == pytest.approx(2 * (origin - up)[1], abs=0.3)
    assert np.array_equal(corner, [right[0], up[1]])


@pytest.mark.parametrize(
    "xy", [[[3, 4]], [[1, 1]] * 3, [[0, 0], [0, 5]], [[1e300, -1e300], [-1e300, 1e300]], [[1e-300, 0], [0, 0]]]
)
@pytest.mark.parametrize("most", [0, 10])
def test_odd_maps_are_drawn_inside_their_frame(xy, most, monkeypatch):
    monkeypatch.setattr(figures, "_MOST_SVG_POINTS", most)
    drawn = figures.map_drawing(np.array(xy, float), np.zeros(len(xy), int), WORDS)
    height = float(re.search(r'height="([\d.]+)"', drawn).group(1))
    for x, y in _marks(drawn).get(figures.TONES["normal"], []):
        assert 0 < x < figures.WIDTH and 0 < y < height


def test_a_map_without_points_is_none():
    assert figures.map_drawing(np.full((3, 2), np.nan), np.zeros(3), WORDS) == ""
    assert figures.map_drawing(np.empty((0, 2)), np.empty(0), WORDS) == ""


def _bars(svg: str, tone: str) -> list[tuple[float, float]]:
    """(left edge, height) of each bar."""
    d = re.search(rf'class="bars {tone}" d="([^"]*)"', svg).group(1)
    return [(float(x), float(h)) for x, h in re.findall(r"M([\d.]+) [\d.]+v-([\d.]+)", d)]


def _limit_at(svg: str) -> list[float]:
    return [float(x) for x in re.findall(r'class="limit" d="M([\d.]+) ', svg)]


def test_bars_and_limit_of_the_histogram():
    normals = np.array([0.10, 0.11, 0.11, 0.20])
    svg = figures.histogram(normals, np.array([0.11, 0.2, 0.201, 0.6]), [("limit", 0.2)], WORDS)
    (limit,) = _limit_at(svg)
    assert "limit 0.200" in svg and "normals: 4" in svg and "new images: 4" in svg
    left, right = [[x for x, _ in _bars(svg, "scored") if side(x)] for side in (limit.__gt__, limit.__le__)]
    assert len(left) == 2 and len(right) == 2  # a score on the limit belongs below it
    assert sum(x < limit for x, _ in _bars(svg, "normal")) == len(_bars(svg, "normal"))
    heights = dict(_bars(svg, "normal")).values()
    assert max(heights) == pytest.approx(2 * min(heights), abs=0.2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1e6), max_size=30),
    st.lists(st.floats(0, 1e6), max_size=30),
    st.lists(st.floats(0, 1e6) | st.just(np.nan) | st.just(np.inf), max_size=3),
)
def test_any_histogram_holds_every_score_inside_its_frame(normals, scored, limits):
    svg = figures.histogram(np.array(normals), np.array(scored), [("l", value) for value in limits], WORDS)
    if not normals and not scored:
        assert svg == ""
        return
    assert "nan" not in svg and "inf" not in svg
    assert len(_limit_at(svg)) == np.isfinite(limits).sum() if limits else True
    assert all(0 <= x <= figures.WIDTH for x in _limit_at(svg))
    for tone, scores in (("normal", normals), ("scored", scored)):
        if scores:
            bars = _bars(svg, tone)
            assert 1 <= len(bars) <= len(scores) and all(0 < x < figures.WIDTH for x, _ in bars)


def test_outliers_share_the_last_bar_and_are_said():
    svg = figures.histogram(np.linspace(0.1, 0.4, 50), np.array([0.2, 50, 70]), [("l", 0.4)], WORDS)
    assert "2 lie farther right, up to 70.0" in svg
    assert len(_bars(svg, "normal")) > 10  # the normals are not squeezed into one bar
    assert len(_bars(svg, "scored")) == 2


def test_scores_that_are_no_numbers_are_left_out():
    svg = figures.histogram(np.array([np.nan, 1, 2]), np.array([np.inf]), [], WORDS)
    assert "normals: 2" in svg and "new images" not in svg.split("aria-label")[1].split(">", 1)[1]


def test_every_sign_has_a_shape_of_its_own():
    shapes = {re.sub(r'fill="#\w+"', "", figures.sign(name)) for name in figures.CODES}
    assert len(shapes) == 4


@pytest.mark.browser
def test_a_hostile_report_opens_offline_and_prints(tmp_path):
    pictures = tuple(picture(text, neighbours=5) for text in HOSTILE)
    made = report("".join(HOSTILE), flagged=pictures, history=(Event(NOW, "who", "what"),) * 90)
    file = tmp_path / "report.html"
    file.write_bytes(report_html(made))
    trouble = []
    with chromium() as browser:
        tab = browser.new_context(offline=True, viewport={"width": 390, "height": 800}).new_page()
        tab.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.on("console", lambda message: trouble.append(message.text))
        tab.on("request", lambda request: trouble.append(request.url[:99]))
        tab.on("popup", lambda popup: trouble.append("popup"))
        tab.goto(file.as_uri())
        trouble = [one for one in trouble if not one.startswith((file.as_uri(), "data:image/"))]
        assert trouble == []
        assert tab.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")  # long names wrap
        assert tab.locator("h1").inner_text() == visible("".join(HOSTILE))
        dark = "getComputedStyle(document.body).backgroundColor"
        tab.emulate_media(color_scheme="dark")
        assert tab.evaluate(dark) == "rgb(20, 24, 29)"
        tab.emulate_media(color_scheme="dark", media="print")
        assert tab.evaluate(dark) == "rgb(255, 255, 255)"
        pages = _shown_on_pages(tab.pdf(prefer_css_page_size=True))
    assert len(pages) > 5
    assert min(pages) > 5  # a page number alone is two or three


def _shown_on_pages(pdf: bytes) -> list[int]:
    """How often each page of Chromium's PDF shows text or a picture."""
    objects = {int(n): body for n, body in re.findall(rb"(?s)\n(\d+) 0 obj\n(.*?)\nendobj", pdf)}
    contents = [
        objects[int(re.search(rb"/Contents (\d+) 0 R", body).group(1))]
        for body in objects.values()
        if re.search(rb"/Type /Page\b", body)
    ]
    streams = [zlib.decompress(re.search(rb"(?s)stream\n(.*)\nendstream", body).group(1)) for body in contents]
    return [len(re.findall(rb"\b(?:Tj|TJ|Do)\b", stream)) for stream in streams]
