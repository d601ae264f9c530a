"""Areas drawn on a map: which points lie inside, and a short form for the address."""

import base64

import numpy as np

STEPS = 4095  # twelve bits a coordinate: finer than a pixel of any map on a screen
CORNERS = 120


def inside(polygon: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """(n,) bool: which points (n, 2) lie inside a polygon (v, 2); where it crosses itself, even-odd."""
    found = np.zeros(len(xy), bool)
    if len(polygon) < 3 or len(xy) == 0:
        return found
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    near = np.flatnonzero(((xy >= low) & (xy <= high)).all(axis=1))
    x, y = xy[near, 0].astype(np.float64), xy[near, 1].astype(np.float64)
    odd = np.zeros(len(near), bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y1 != y2:
            odd ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    found[near] = odd
    return found


def frame(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower corner and size of the box around the points, a little wider; never empty."""
    if len(xy) == 0:
        return np.zeros(2), np.ones(2)
    low, high = xy.min(axis=0).astype(np.float64), xy.max(axis=0).astype(np.float64)
    size = np.where(high > low, high - low, 1.0)
    return low - 0.25 * size, 1.5 * size


def encode(polygons: list[np.ndarray], xy: np.ndarray) -> str:
    """Polygons in the map's units as a short word for the address."""
    low, size = frame(xy)
    words = []
    for polygon in polygons:
        polygon = np.asarray(polygon, np.float64)
        thinned = polygon[np.unique(np.linspace(0, len(polygon) - 1, CORNERS).round().astype(int))]
        grid = np.round((thinned - low) / size * STEPS).clip(0, STEPS).astype(">u2")
        words.append(base64.urlsafe_b64encode(grid.tobytes()).decode().rstrip("="))
    return ".".join(words)


def decode(word: str, xy: np.ndarray) -> list[np.ndarray]:
    """The polygons of `encode`; what is no such word gives none."""
    low, size = frame(xy)
    polygons = []
    for part in word.split(".")[:20]:
        try:
            data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return []
        if len(data) % 4 or not 12 <= len(data) <= 4 * CORNERS:
            return []
        grid = np.frombuffer(data, ">u2").reshape(-1, 2).astype(np.float64)
        polygons.append(grid.clip(0, STEPS) / STEPS * size + low)
    return polygons


def to_grid(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points as uint16 x and y in one square that keeps their proportions, y upwards."""
    low, size = _square(xy)
    grid = np.round((xy - low) / size * 65535).clip(0, 65535).astype(np.uint16)
    return np.ascontiguousarray(grid[:, 0]), np.ascontiguousarray(grid[:, 1])


def from_grid(polygon: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """A polygon of the uint16 square back in the map's units."""
    low, size = _square(xy)
    return np.asarray(polygon, np.float64) / 65535 * size + low


def _square(xy: np.ndarray) -> tuple[np.ndarray, float]:
    if len(xy) == 0:
        return np.zeros(2), 1.0
    low, high = xy.min(axis=0).astype(np.float64), xy.max(axis=0).astype(np.float64)
    size = float((high - low).max()) or 1.0
    return (low + high - size) / 2, size
