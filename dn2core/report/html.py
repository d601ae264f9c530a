"""A report for people who were not there: one HTML file that needs nothing else, on a screen or on paper."""

import base64
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dn2core.explore.heatmap import legend
from dn2core.ingest.names import show
from dn2core.report.figures import CODES, histogram, map_drawing, sign

MOST_PICTURES = 60
NEIGHBOURS = 5  # shown beside a picture; the CSV has them all
MOST_HISTORY = 200
_LONGEST = 4_000  # characters of one text: notes and sentences pass, a book does not

# Every fixed word of a report. A translation replaces texts by key and keeps what stands in braces.
ENGLISH = {
    "lang": "en",
    "dir": "ltr",
    "decimal": ".",
    "thousands": ",",
    "none": "–",
    "percent": "{value}\u00a0%",
    "times": "{value}\u00a0x",
    "title": "{name} – inspection report",
    "kind": "Inspection report",
    "made": "Made on {when} by {author}",
    "made.alone": "Made on {when}",
    "zone": "All times are {zone}.",
    "contents": "Contents",
    "answer": "Result",
    "count.scored": "new images",
    "count.labelled": "labelled by people: {good} good, {defect} defect, {unsure} unsure",
    "verdict.normal": "normal",
    "verdict.pass": "pass",
    "verdict.review": "review",
    "verdict.reject": "reject",
    "warnings": "Keep in mind",
    "limits": "Limits and how they came about",
    "limits.none": "There is no limit, so nothing passes or is rejected by itself.",
    "limits.caption": "Limits on the score",
    "limits.name": "Limit",
    "limits.value": "Score",
    "limits.reason": "How it came about",
    "forecasts.caption": "What to expect of good parts like the normals",
    "forecasts.name": "Forecast",
    "forecasts.expected": "Expected",
    "forecasts.interval": "Between",
    "forecasts.range": "{low} and {high}",
    "forecasts.reason": "On what it rests",
    "figure": "Scores",
    "figure.none": "There are no scores to draw yet.",
    "figure.caption": (
        "How unusual each image is; farther right is more unusual. A bar is as high as there are images in it, "
        "and dashed lines are the limits."
    ),
    "figure.histogram.alt": "Histogram of the scores of the normals and of the new images, with the limits.",
    "figure.normals": "normals",
    "figure.scored": "new images",
    "figure.group": "{name}: {n}",
    "figure.beyond": "{n} lie farther right, up to {most}",
    "figure.limit": "{name} {value}",
    "figure.axis": "how unusual (score)",
    "flagged": "Flagged images",
    "flagged.none": "No image is flagged.",
    "flagged.order": "The most unusual come first.",
    "flagged.all": "All {total} flagged images are shown.",
    "flagged.one": "One image is flagged.",
    "flagged.some": "{shown} of {total} flagged images are shown; the CSV beside this file lists all.",
    "places": "Found by a single place only",
    "places.about": (
        "As a whole these images are usual, but one place of each is farther from the normals than its limit allows. "
        "The most unusual place comes first."
    ),
    "places.some": "{shown} of {total} are shown; the app lists all.",
    "captures": "Check the capture",
    "captures.about": (
        "These images were taken unlike the normals, so it may be the camera and not the part. Their verdicts stay "
        "what they are. The gravest come first."
    ),
    "captures.some": "{shown} of {total} are shown; the CSV beside this file lists all.",
    "captures.caption": "What is unusual about how images were taken",
    "captures.name": "Image",
    "captures.verdict": "Verdict",
    "captures.reason": "What is unusual",
    "missed": "Known defects that are missed",
    "missed.about": "People confirmed these images as defects, and they are not flagged as things stand.",
    "missed.some": "{shown} of {total} are shown; the CSV beside this file lists all.",
    "picture.alt": "Image {name}",
    "picture.lost": "The picture is not available.",
    "picture.heat": "Image {name}, where it is unusual",
    "picture.place": "the limit at its worst place",
    "heat.caption": "How unusual each place is; the outlines enclose what lies above the limit.",
    "heat.low": "half the limit or less",
    "heat.limit": "limit",
    "heat.high": "1.5 times or more",
    "picture.percentile": "farther than {share} of the normals",
    "picture.percentile.all": "farther than all normals",
    "picture.spacing": "of the usual spacing",
    "picture.score": "score",
    "picture.nearest": "Nearest normals, with the distance to each",
    "picture.nearest.some": "The {n} nearest normals of {total} compared, with the distance to each",
    "label.good": "good part",
    "label.defect": "confirmed defect",
    "label.unsure": "unsure",
    "label.by": "{label}, says {author}",
    "map": "Map",
    "map.caption": "Each mark is an image; near is alike. The axes have no unit, so they carry no numbers.",
    "figure.map.alt": "Map of {n} images by their likeness.",
    "map.legend": "{word}: {n}",
    "evaluation": "Evaluation against the labels",
    "evaluation.caption": "How well the verdicts agree with what people said",
    "judged": "What it was judged by",
    "state.caption": "State of the normals and settings",
    "state.version": "Version of the normals",
    "state.version.value": "{version}, of {created}",
    "state.reason": "Why it was made",
    "state.normals": "Normals",
    "state.backbone": "Network",
    "state.preset": "Preset",
    "state.fingerprint": "Fingerprint of the encoder",
    "history": "History",
    "history.caption": "Decisions and changes, the newest first",
    "history.some": "{shown} of {total} entries, the newest.",
    "history.when": "When",
    "history.who": "Who",
    "history.what": "What",
    "software": "Software",
    "software.caption": "Versions that made this report",
    "table.what": "What",
    "table.value": "Value",
    "words": "How to read this report",
    "words.normals": "Normals",
    "words.normals.about": "Images of good parts. Every new image is compared with them; nothing else was learned.",
    "words.score": "Score",
    "words.score.about": "How far an image lies from its nearest normals; higher is more unusual.",
    "words.percentile": "Farther than … of the normals",
    "words.percentile.about": "The share of the normals that are less unusual than this image.",
    "words.spacing": "Multiple of the usual spacing",
    "words.spacing.about": "Its distance to the normals, in units of the usual distance between two normals.",
    "words.flagged": "Flagged",
    "words.flagged.about": "The score lies above a limit: a person should look at the image.",
    "words.verdicts": "Pass, review, reject",
    "words.verdicts.about": "What the limits say of the score; what people said of an image stands beside it.",
}


@dataclass(frozen=True)
class NearNormal:
    """A normal beside a picture: its JPEG thumbnail (b"" = lost) and the distance (L2) to it."""

    name: str
    jpeg: bytes
    times: float | None  # multiple of the usual spacing
    distance: float


@dataclass(frozen=True)
class Picture:
    """A judged image with what people said of it; `jpeg` is a thumbnail, b"" where it is lost."""

    name: str
    jpeg: bytes
    verdict: str  # "pass", "review", "reject"
    percentile: float  # percent of the normals that are less unusual
    multiple: float  # of the usual spacing
    score: float  # higher = more unusual
    label: str = ""  # "good", "defect", "unsure" or nothing
    note: str = ""
    author: str = ""
    neighbours: tuple[NearNormal, ...] = ()  # the nearest first
    heat: bytes = b""  # JPEG of the picture under its heat and outlines, b"" for none
    place: float | None = None  # the most unusual place, as a multiple of its limit
    capture: tuple[str, ...] = ()  # a sentence on how it was taken, then one for each number behind it


@dataclass(frozen=True)
class Odd:
    """A judged image that was taken unlike the normals, and in which way, in a few words."""

    name: str
    verdict: str
    words: str


@dataclass(frozen=True)
class State:
    """The normals that everything was compared with, and the encoder."""

    version: int
    normals: int
    created: datetime
    reason: str
    fingerprint: str
    backbone: str  # its title
    preset: str  # in words


@dataclass(frozen=True)
class Counts:
    """Images by verdict and by what people said of them."""

    scored: int = 0
    passed: int = 0
    review: int = 0
    rejected: int = 0
    good: int = 0
    defect: int = 0
    unsure: int = 0


@dataclass(frozen=True)
class Limit:
    """A limit on the score, and one sentence on how it came about."""

    name: str
    value: float
    sentence: str = ""


@dataclass(frozen=True)
class Forecast:
    """An expected share (0 to 1) with its interval, and one sentence on what it rests on."""

    name: str
    expected: float
    low: float
    high: float
    sentence: str = ""


@dataclass(frozen=True, eq=False)
class MapPoints:
    """Points xy (n, 2) with codes (n,): positions in ("normal", "pass", "review", "reject")."""

    xy: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True)
class Event:
    """One line of the history."""

    when: datetime
    who: str
    what: str


@dataclass(frozen=True, eq=False)
class Report:
    """All that a report says. Texts are plain and may be hostile; times know their zone.

    `flagged`, `missed`, `places` and `captures` may hold the most unusual images only: the totals then say how many
    there are.
    """

    project: str
    made_at: datetime
    author: str
    state: State
    answer: str
    counts: Counts = Counts()
    settings: tuple[tuple[str, str], ...] = ()  # (label, value)
    limits: tuple[Limit, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    warnings: tuple[str, ...] = ()
    normal_scores: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    scored_scores: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    map: MapPoints | None = None
    flagged: tuple[Picture, ...] = ()
    flagged_total: int | None = None
    missed: tuple[Picture, ...] = ()  # known defects that are not flagged
    missed_total: int | None = None
    places: tuple[Picture, ...] = ()  # not flagged as a whole, but by one place of theirs
    places_total: int | None = None
    captures: tuple[Odd, ...] = ()  # taken unlike the normals, the gravest first
    captures_total: int | None = None
    history: tuple[Event, ...] = ()
    evaluation: tuple[tuple[str, str], ...] = ()  # (label, value)
    software: tuple[tuple[str, str], ...] = ()  # (name, version)


def english(key: str) -> str:
    """The English text of a key."""
    return ENGLISH[key]


def report_html(
    report: Report,
    texts: Mapping[str, str] | Callable[[str], str] = english,
    *,
    most: int = MOST_PICTURES,
) -> bytes:
    """The report as one HTML file in UTF-8: no scripts, no requests, the same bytes for the same report.

    Args:
        report: what to say; pictures come in any order, what stands in tables in its own.
        texts: the fixed words by the keys of `ENGLISH`, a mapping (gaps are English) or a function of the key.
        most: images shown at most in each gallery, and of those taken unlike the normals.
    """
    words = Words(texts, report.made_at)
    galleries = {
        "missed": _gallery(report.missed, report.missed_total, most),
        "flagged": _gallery(report.flagged, report.flagged_total, most),
        "places": _gallery(report.places, report.places_total, most, by="place"),
    }
    page = (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            words=words,
            **galleries,
            odd=report.captures[:most],
            odd_total=max(len(report.captures), report.captures_total or 0),
            heat_in=next((name for name, one in galleries.items() if any(shot.heat for shot in one.pictures)), ""),
            heat_scale=_heat_scale(),
            history=sorted(report.history, key=lambda event: words.local(event.when), reverse=True)[:MOST_HISTORY],
            histogram=histogram(
                report.normal_scores, report.scored_scores, [(one.name, one.value) for one in report.limits], words
            ),
            map=map_drawing(report.map.xy, report.map.codes, words) if report.map is not None else "",
            legend=_legend(report.map),
            sign=sign,
            image=_data_uri,
            short=lambda name: show(name, 48),
            lines=_lines,
            most_neighbours=NEIGHBOURS,
        )
    )
    return page.encode("utf-8")


class Words:
    """The fixed words of a report and the way it writes numbers and times."""

    def __init__(self, texts: Mapping[str, str] | Callable[[str], str], made_at: datetime):
        self._text = texts if callable(texts) else lambda key: texts.get(key, ENGLISH[key])
        self._zone = made_at.tzinfo

    def __call__(self, key: str, /, **fields: object) -> str:
        text = self._text(key)
        return text.format(**fields) if fields else text

    def verdict(self, name: str) -> str:
        return self(f"verdict.{name}")

    def number(self, value: float, places: int = 0) -> str:
        """A number with separators; a dash where there is none."""
        if value is None or not math.isfinite(value):
            return self("none")
        separators = {",": self("thousands"), ".": self("decimal")}
        return "".join(separators.get(letter, letter) for letter in f"{value:,.{places}f}")

    def raw(self, value: float) -> str:
        """A score or limit with three digits that matter."""
        if value is None or not math.isfinite(value) or value == 0:
            return self.number(value)
        if not 1e-4 <= abs(value) < 1e9:
            return f"{value:.2e}".replace(".", self("decimal"))
        return self.number(value, max(0, 2 - math.floor(math.log10(abs(value)))))

    def times(self, value: float | None) -> str:
        """A multiple, as "2.3 x"."""
        if value is None or not math.isfinite(value):
            return self("none")
        return self("times", value=self.number(value, 1 if value < 100 else 0))

    def percent(self, value: float) -> str:
        """What is given in percent, as "99.6 %"; never rounded up to a full 100 nor down to 0."""
        if value is None or not math.isfinite(value):
            return self("none")
        if 0 < value < 0.95:
            digits = f"{float(f'{value:.2g}'):.6f}".rstrip("0").partition(".")[2]
            return self("percent", value=self.number(value, len(digits) or 6))
        rounded = min(value, 99.9) if value < 100 else value
        return self("percent", value=self.number(rounded, 1 if 0 < rounded < 100 else 0))

    def farther(self, percentile: float) -> str:
        """A percentile among the normals in words."""
        if percentile == 100:
            return self("picture.percentile.all")
        return self("picture.percentile", share=self.percent(percentile))

    def share(self, value: float) -> str:
        """A share from 0 to 1, in percent."""
        return self.percent(100 * value if value is not None else math.nan)

    def interval(self, low: float, high: float) -> str:
        """Two shares; one dash where neither is known."""
        low, high = self.share(low), self.share(high)
        return low if low == high == self("none") else self("forecasts.range", low=low, high=high)

    def local(self, when: datetime) -> datetime:
        """The moment in the report's zone."""
        return when.replace(tzinfo=self._zone) if when.tzinfo is None else when.astimezone(self._zone)

    def moment(self, when: datetime) -> str:
        return self.local(when).strftime("%Y-%m-%d %H:%M")

    def zone(self, when: datetime) -> str:
        """The zone as an offset, "UTC+02:00"."""
        offset = self.local(when).strftime("%z")
        return f"UTC{offset[:3]}:{offset[3:5]}" if offset.strip("+-0") else "UTC"


@dataclass(frozen=True)
class _Gallery:
    pictures: list[Picture]
    total: int


def _gallery(pictures: tuple[Picture, ...], total: int | None, most: int, *, by: str = "score") -> _Gallery:
    def rank(one: Picture) -> float:
        value = getattr(one, by)
        return math.inf if value is None or value != value else -value

    ranked = sorted(pictures, key=rank)
    return _Gallery(ranked[:most], max(len(pictures), total or 0))


def _heat_scale() -> str:
    """The colours of the heat as a CSS gradient."""
    return ", ".join(f"{stop.colour} {100 * stop.at:g}%" for stop in legend())


def _legend(points: MapPoints | None) -> list[tuple[str, int]]:
    if points is None:
        return []
    there = np.isfinite(np.asarray(points.xy, np.float64).reshape(-1, 2)).all(axis=1)
    counts = np.bincount(np.asarray(points.codes, np.int64)[there], minlength=len(CODES))
    return [(name, int(n)) for name, n in zip(CODES, counts, strict=True) if n]


def _data_uri(jpeg: bytes) -> str:
    """A picture as part of the page; "" for what is no JPEG."""
    if not jpeg.startswith(b"\xff\xd8\xff"):
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _visible(value: object) -> object:
    """All text passes here on its way to the page: controls and direction marks are shown, lone surrogates too."""
    return show(value, _LONGEST) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text[:_LONGEST].strip())
