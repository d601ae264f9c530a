"""Drawings of a report: signs, the histogram of the scores, the map. SVG without scripts, ids or links.

Colours that follow the reader's theme come from the page's style sheet by class; those of the verdicts are fixed.
"""

import base64
import html
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from dn2core.ingest.names import show

if TYPE_CHECKING:
    from dn2core.report.html import Words

# Okabe-Ito: told apart by colour-blind readers; each has its shape, too.
TONES = {"normal": "#56B4E9", "pass": "#009E73", "review": "#E69F00", "reject": "#D55E00"}
CODES = tuple(TONES)  # a map's code is the position here

_SHAPES = {
    "normal": '<circle cx="8" cy="8" r="6.5"/>',
    "pass": '<rect x="1.5" y="1.5" width="13" height="13" rx="2.5"/>',
    "review": '<path d="M8 .3 15.7 8 8 15.7 .3 8z"/>',
    "reject": '<path d="M8 .8 15.8 15H.2z"/>',
}
_GLYPHS = {
    "normal": "",
    "pass": '<path d="M4.6 8.2 7 10.7 11.6 5.4" fill="none" stroke="#fff" stroke-width="1.8"/>',
    "review": (
        '<path d="M5.9 6.3A2.1 2.1 0 1 1 8.7 8.2Q8 8.6 8 9.7M8 10.9V12.5" fill="none" '
        'stroke="#1F2630" stroke-width="1.5"/>'
    ),
    "reject": '<path d="M8 5.6V10.2M8 11.6V13.2" fill="none" stroke="#fff" stroke-width="1.7"/>',
}

WIDTH = 720  # of both figures, in CSS pixels
_LEFT, _RIGHT = 48, 16
_SMALLEST = 1e-30  # differences below have no digits left to draw with
_BINS = 72
_PANEL = 92
_MOST_SVG_POINTS = 5_000  # above it the map is an image: a file of fixed size, however many points
_MAP_HEIGHT = 440
_PNG_SCALE = 2.5


def sign(name: str) -> str:
    """The sign of "normal", "pass", "review" or "reject"; it stands beside the word and says nothing by itself."""
    return (
        f'<svg class="sign" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" fill="{TONES[name]}">'
        f"{_SHAPES[name]}{_GLYPHS[name]}</svg>"
    )


def histogram(
    normal_scores: np.ndarray,
    scored_scores: np.ndarray,
    limits: Sequence[tuple[str, float]],
    words: "Words",
) -> str:
    """Scores of the normals above those of the new images, on one axis, with the limits through both.

    Args:
        normal_scores, scored_scores: (n,), (q,); higher = more unusual. What is not finite is left out.
        limits: (name, value); those that are not finite are left out.

    Returns:
        An SVG; "" where there is no score at all.
    """
    groups = [
        (words("figure.normals"), "normal", _finite(normal_scores)),
        (words("figure.scored"), "scored", _finite(scored_scores)),
    ]
    groups = [group for group in groups if len(group[2])]
    if not groups:
        return ""
    limits = sorted(((name, float(value)) for name, value in limits if math.isfinite(value)), key=lambda one: one[1])
    edges = _edges(_finite(normal_scores), np.concatenate([scores for *_, scores in groups]), [v for _, v in limits])
    x = _axis(edges[0], edges[-1])
    top = 8 + 18 * len(limits)
    bottom = top + (_PANEL + 30) * len(groups)
    parts = [
        _panel(title, tone, scores, edges, x, top + 24 + (_PANEL + 30) * row, words)
        for row, (title, tone, scores) in enumerate(groups)
    ]
    parts += [
        _limit(name, value, x(value), 18 + 18 * row, bottom - 6, words) for row, (name, value) in enumerate(limits)
    ]
    parts += [_ticks(edges[0], edges[-1], x, bottom, words)]
    return _svg(bottom + 40, words("figure.histogram.alt"), "".join(parts))


def map_drawing(xy: np.ndarray, codes: np.ndarray, words: "Words") -> str:
    """The map: as SVG, or as a PNG in a data URI where the points are many.

    Args:
        xy: (n, 2); near is alike, the numbers themselves mean nothing. Points that are not finite are left out.
        codes: (n,) positions in `CODES`.

    Returns:
        An element of HTML; "" where there is no point.
    """
    xy, codes = np.asarray(xy, np.float64).reshape(-1, 2), np.asarray(codes, np.int64)
    there = np.isfinite(xy).all(axis=1)
    xy, codes = xy[there], codes[there]
    if not len(xy):
        return ""
    at, height = _fitted(xy)
    words_for_it = words("figure.map.alt", n=words.number(len(at)))
    if len(at) <= _MOST_SVG_POINTS:
        return _svg(height, words_for_it, _marks(at, codes), "map")
    png = base64.b64encode(_map_png(at, codes, height)).decode("ascii")
    return (
        f'<img class="map" width="{WIDTH}" height="{height}" alt="{html.escape(words_for_it)}" '
        f'src="data:image/png;base64,{png}">'
    )


def _svg(height: float, label: str, inside: str, kind: str = "histogram") -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img" '
        f'aria-label="{html.escape(label)}">{inside}</svg>'
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64).ravel()
    return values[np.isfinite(values)]


def _edges(normals: np.ndarray, values: np.ndarray, limits: list[float]) -> np.ndarray:
    """Bins of one width; the highest limit is an edge, and what lies far beyond limits and normals shares the last."""
    low, high = min(values.min(), *limits, np.inf), max(values.max(), *limits, -np.inf)
    if 0 < low < high / 2:
        low = 0.0
    known = [*limits, *([normals.max()] if len(normals) else [])]
    reach = 3.5 * (max(known) - low) if known else 0.0
    span = min(high - low, reach) if reach > 0 else high - low
    if span <= max(1e-9 * max(abs(low), abs(high)), _SMALLEST):  # all the same
        span = abs(low) if abs(low) > _SMALLEST else 1.0
        low -= span / 2
    width = span / (_BINS - 4)
    if not limits:
        return low + width * np.arange(_BINS + 1)
    # The normal that lies on the limit belongs below it, so the edge is a hair above.
    start = limits[-1] - width * math.ceil((limits[-1] - low) / width)
    return start + width * np.arange(_BINS + 1) + 1e-6 * width


def _axis(low: float, high: float):
    return lambda value: _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)


def _panel(title: str, tone: str, scores: np.ndarray, edges: np.ndarray, x, top: float, words: "Words") -> str:
    """Bars of one group, the height of the fullest written at the side."""
    counts, _ = np.histogram(np.clip(scores, *(edges[[0, -2]] + edges[[1, -1]]) / 2), edges)
    base, most = top + _PANEL, counts.max()
    # A single image must be seen beside a thousand.
    heights = np.where(counts > 0, np.maximum(counts / most * _PANEL, 2), 0)
    step = x(edges[1]) - x(edges[0])
    bars = "".join(
        f"M{x(edges[i]) + 0.5:.1f} {base:g}v-{heights[i]:.1f}h{step - 1:.1f}V{base:g}z" for i in np.flatnonzero(counts)
    )
    beyond = scores[scores > edges[-1]]
    parts = [
        f'<path class="grid" d="M{_LEFT} {top}H{WIDTH - _RIGHT}M{_LEFT} {base}H{WIDTH - _RIGHT}"/>',
        f'<path class="bars {tone}" d="{bars}"/>',
        _text(_LEFT - 6, top + 4, words.number(most), "quiet", "end"),
        _text(_LEFT - 6, base + 4, "0", "quiet", "end"),
        _text(_LEFT, top - 8, words("figure.group", name=title, n=words.number(len(scores))), "strong"),
    ]
    if len(beyond):
        told = words("figure.beyond", n=words.number(len(beyond)), most=words.raw(beyond.max()))
        parts.append(_text(WIDTH - _RIGHT, top - 8, told, "quiet", "end"))
    return "".join(parts)


def _limit(name: str, value: float, at: float, y: float, bottom: float, words: "Words") -> str:
    right = at < WIDTH * 0.6
    label = words("figure.limit", name=show(name, 40), value=words.raw(value))
    return f'<path class="limit" d="M{at:.1f} {y - 11:g}V{bottom:g}"/>' + _text(
        at + (5 if right else -5), y, label, "limit-name", "start" if right else "end"
    )


def _ticks(low: float, high: float, x, y: float, words: "Words") -> str:
    """Numbers along the axis at steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    places = min(max(0, -math.floor(math.log10(step) + 1e-9)), 12)
    first, last = math.ceil(low / step), math.floor(high / step)
    parts = [
        _text(x(i * step), y + 12, words.number(i * step, places), "quiet", "middle") for i in range(first, last + 1)
    ]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    return "".join(parts) + _text(middle, y + 32, words("figure.axis"), "quiet", "middle")


def _fitted(xy: np.ndarray) -> tuple[np.ndarray, int]:
    """Points in CSS pixels of a figure with both axes at one scale, y upwards; and its height."""
    pad = 14
    largest = np.abs(xy).max()
    xy = xy / largest if largest > 0 else xy  # so that no difference overflows
    low, span = xy.min(axis=0), np.ptp(xy, axis=0)
    scale = min((WIDTH - 2 * pad) / max(span[0], 1e-12), (_MAP_HEIGHT - 2 * pad) / max(span[1], 1e-12))
    if not span.any():
        scale = 0.0
    height = max(160, math.ceil(span[1] * scale) + 2 * pad)
    middle = np.array([WIDTH / 2, height / 2])
    return middle + (xy - low - span / 2) * scale * [1, -1], height


def _marks(at: np.ndarray, codes: np.ndarray) -> str:
    """One path for each verdict, the worst last and so on top."""
    r = 4.2 if len(at) < 500 else 3.2 if len(at) < 2000 else 2.4
    shapes = {
        "normal": f"m-{r:g} 0a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0-{2 * r:g} 0z",
        "pass": f"m-{r * 0.9:g}-{r * 0.9:g}h{r * 1.8:g}v{r * 1.8:g}h-{r * 1.8:g}z",
        "review": f"m0-{r * 1.4:g}l{r * 1.4:g} {r * 1.4:g}-{r * 1.4:g} {r * 1.4:g}-{r * 1.4:g}-{r * 1.4:g}z",
        "reject": f"m0-{r * 1.4:g}l{r * 1.4:g} {r * 2.5:g}h-{r * 2.8:g}z",
    }
    drawn = []
    for code, name in enumerate(CODES):
        path = "".join(f"M{x:.1f} {y:.1f}{shapes[name]}" for x, y in at[codes == code])
        if path:
            drawn.append(f'<path fill="{TONES[name]}" fill-opacity=".85" d="{path}"/>')
    return "".join(drawn)


def _map_png(at: np.ndarray, codes: np.ndarray, height: int) -> bytes:
    """The same in a palette of five, the ground transparent; the browser smooths it when it makes it smaller."""
    canvas = np.zeros((math.ceil(height * _PNG_SCALE), math.ceil(WIDTH * _PNG_SCALE)), np.uint8)
    pixels = np.rint(at * _PNG_SCALE).astype(np.int64)
    for code, name in enumerate(CODES):
        columns, rows = pixels[codes == code].T
        for dy, dx in np.argwhere(_stamp(name)) - 7:
            canvas[rows + dy, columns + dx] = code + 1
    image = Image.frombytes("P", canvas.shape[::-1], canvas.tobytes())
    image.putpalette(bytes(3) + b"".join(bytes.fromhex(tone[1:]) for tone in TONES.values()))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=0, compress_level=9)
    return buffer.getvalue()


def _stamp(name: str) -> np.ndarray:
    """(side, side) bool: the pixels of one mark, its point in the middle."""
    y, x = np.mgrid[-7:8, -7:8]
    return {
        "normal": x**2 + y**2 <= 4.3**2,
        "pass": np.maximum(abs(x), abs(y)) <= 4,
        "review": abs(x) + abs(y) <= 7,
        "reject": (2 * abs(x) <= y + 7) & (y <= 6),
    }[name]
