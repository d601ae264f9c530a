"""How judged images read: captions and tones for a gallery, the verdict in one sentence."""

import math
from dataclasses import dataclass, replace

import numpy as np

from dn2core.detect import form_scores, knn_scores
from dn2core.project.snapshot import Items
from pages.parts.look import percent, times, verdict
from pages.parts.text import number, show, t


@dataclass(frozen=True)
class Cells:
    """What a gallery shows of (n,) images, in its order."""

    ids: list[int]
    captions: list[str]
    tones: list[str]
    details: list[str]
    marks: list[str] | None = None  # a word on a picture's corner, "" for none


@dataclass(frozen=True)
class Judged:
    """One image with what was found about it; `percentile` and `multiple` are NaN where undefined."""

    item_id: int
    name: str
    role: str  # "normal" or "scored"
    verdict: str  # "pass", "review", "reject" or, for a normal, "normal"
    score: float  # NaN for a lone normal
    percentile: float
    multiple: float
    beyond: bool  # above the limit
    same_as_normal: bool
    apart: bool = False  # a normal that images are not compared with


def cells(shown, judged, positions: np.ndarray, marks: list[str] | None = None) -> Cells:
    """Scored images at these positions, captioned with percentile and multiple; `marks` are theirs."""
    shares = percents(judged.percentiles[positions])
    spreads = many_times(judged.multiples[positions])
    tones = judged.verdicts[positions].tolist()
    words = {tone: verdict(tone).word for tone in set(tones)}
    names = shown.scored.names
    return Cells(
        ids=shown.scored.ids[positions].tolist(),
        captions=[
            f"{words[tone]} · {share} · {spread}" for tone, share, spread in zip(tones, shares, spreads, strict=True)
        ],
        tones=tones,
        details=[show(names[position]) for position in positions],
        marks=marks,
    )


def with_places(pictures: Cells, alone: np.ndarray) -> Cells:
    """As `cells`, where those that pass and of which a place does not, (n,) bool, say so on their corner."""
    word = verdict("place").word
    marks = pictures.marks or [""] * len(pictures.ids)
    return replace(
        pictures,
        tones=["place" if one else tone for one, tone in zip(alone.tolist(), pictures.tones, strict=True)],
        marks=[" · ".join(filter(None, (one and word, mark))) for one, mark in zip(alone.tolist(), marks, strict=True)],
    )


def turned_cells(shown, before, after, positions: np.ndarray) -> Cells:
    """Scored images whose verdict a trial would turn: both verdicts and the percentile under each."""
    words = {name: verdict(name).word for name in ("pass", "review", "reject")}
    captions = [
        f"{words[old]} → {words[new]} · {share}"
        for old, new, share in zip(
            before.verdicts[positions].tolist(),
            after.verdicts[positions].tolist(),
            percents(after.percentiles[positions]),
            strict=True,
        )
    ]
    return replace(cells(shown, after, positions), captions=captions)


def normal_cells(shown, judged, ids: list[int]) -> Cells:
    """Normals in the order given, each with its multiple among the others; those beyond the limit stand out.

    Those that images are not compared with are marked.
    """
    items, scores, multiples = every_normal(shown, judged)
    rows = _rows(items.ids, np.asarray(ids, np.int64))
    names = [show(items.names[row]) for row in rows.tolist()]
    if not len(scores):  # a lone normal
        return Cells(ids, [""] * len(ids), ["normal"] * len(ids), names)
    beyond, word = (scores[rows] > judged.limit).tolist(), t("beyond the limit")
    spreads = many_times(multiples[rows])
    words = np.repeat(
        [t("in use"), t("checks the limit"), t("not compared with")],
        [len(shown.normals), len(shown.checks), len(items) - len(shown.normals) - len(shown.checks)],
    )
    # The root of the score, so that the multiples fall in the order in which the pictures stand.
    return Cells(
        ids=ids,
        captions=[f"{word} · {spread}" if odd else spread for odd, spread in zip(beyond, spreads, strict=True)],
        tones=["review" if odd else "normal" for odd in beyond],
        details=names,
        marks=words[rows].tolist() if shown.reduced else None,
    )


def every_normal(shown, judged) -> tuple[Items, np.ndarray, np.ndarray]:
    """The normals with their (n,) scores and multiples; no numbers for a lone one.

    First those that images are compared with, each against the others, then the rest against them, once
    `with_apart` searched for it.
    """
    found = shown.apart_found
    if found is None:
        return shown.normals, judged.normal_scores, judged.normal_multiples
    scores = form_scores(judged.form, found, shown.loo, judged.k)
    spread = shown.spacing if shown.spacing > 0 else np.nan
    multiples = np.sqrt(knn_scores(found.distances, judged.k), dtype=np.float64) / spread
    return (
        shown.normals.and_then(shown.apart),
        np.concatenate([judged.normal_scores, scores]),
        np.concatenate([judged.normal_multiples, multiples]),
    )


def item_cells(shown, judged, ids: np.ndarray) -> Cells:
    """Any images of the snapshot, normals among them, in the order given; unknown ids are left out."""
    rows = rows_of(shown, ids)
    n = len(shown.normals)
    shares = percents(np.concatenate([np.full(n, np.nan), judged.percentiles])[rows])
    spreads = many_times(all_multiples(shown, judged)[rows])
    tones = np.concatenate([np.full(n, "normal"), judged.verdicts])[rows].tolist()
    words = {tone: verdict(tone).word for tone in set(tones)}
    names = (*shown.normals.names, *shown.scored.names)
    return Cells(
        ids=np.concatenate([shown.normals.ids, shown.scored.ids])[rows].tolist(),
        captions=[
            f"{words[tone]} · {spread}" if tone == "normal" else f"{words[tone]} · {share} · {spread}"
            for tone, share, spread in zip(tones, shares, spreads, strict=True)
        ],
        tones=tones,
        details=[show(names[row]) for row in rows.tolist()],
    )


def rows_of(shown, ids: np.ndarray) -> np.ndarray:
    """Rows of items among normals and then scored images; unknown ids are left out."""
    return _rows(np.concatenate([shown.normals.ids, shown.scored.ids]), np.asarray(ids, np.int64))


def _rows(known: np.ndarray, ids: np.ndarray) -> np.ndarray:
    order = np.argsort(known, kind="stable")
    at = order[np.searchsorted(known, ids, sorter=order).clip(max=len(known) - 1)]
    return at[known[at] == ids]


def all_scores(shown, judged) -> np.ndarray:
    """(n + q,) scores of normals, each against the others, and of scored images; NaN for a lone normal."""
    normal = judged.normal_scores if len(judged.normal_scores) else np.full(len(shown.normals), np.nan)
    return np.concatenate([normal, judged.scores])


def all_multiples(shown, judged) -> np.ndarray:
    """(n + q,) multiples of the usual spacing, likewise."""
    normal = judged.normal_multiples if len(judged.normal_multiples) else np.full(len(shown.normals), np.nan)
    return np.concatenate([normal, judged.multiples])


def judged_item(shown, judged, item_id: int) -> Judged | None:
    """What was found about an image; None when it is not in the snapshot."""
    position = shown.scored.position(item_id)
    if position is not None:
        score = float(judged.scores[position])
        return Judged(
            item_id=item_id,
            name=shown.scored.names[position],
            role="scored",
            verdict=str(judged.verdicts[position]),
            score=score,
            percentile=float(judged.percentiles[position]),
            multiple=float(judged.multiples[position]),
            beyond=bool(judged.flagged[position]),
            same_as_normal=bool(shown.same_as_normal[position]),
        )
    items, scores, multiples = every_normal(shown, judged)
    position = items.position(item_id)
    if position is None:
        return None
    alone = len(scores) == 0
    score = math.nan if alone else float(scores[position])
    return Judged(
        item_id=item_id,
        name=items.names[position],
        role="normal",
        verdict="normal",
        score=score,
        percentile=math.nan if alone else 100 * float(np.mean(judged.normal_scores < score)),
        multiple=math.nan if alone else float(multiples[position]),
        beyond=score > judged.limit,
        same_as_normal=False,
        apart=position >= len(shown.normals),
    )


def reason(one: Judged, k: int) -> str:
    """The verdict and why, in one sentence (plain text)."""
    if math.isnan(one.percentile):
        return t("Not judged: with a single normal there is nothing to compare its distance with.")
    if one.apart:
        start = (
            t("A normal beyond the limit, that nothing is compared with")
            if one.beyond
            else t("A normal within the limit, that nothing is compared with")
        )
    elif one.role == "normal":
        start = t("A normal beyond the limit") if one.beyond else t("A normal within the limit")
    else:
        start = {"reject": t("Flagged"), "review": t("To be reviewed")}.get(one.verdict, t("Passed"))
    return t(
        "{verdict}: {farther}; {multiple} the usual spacing.",
        verdict=start,
        farther=_farther(one.percentile, k),
        multiple=times(one.multiple),
    )


def _farther(percentile: float, k: int) -> str:
    if k == 1:
        if percentile >= 100:
            return t("farther from its nearest normal than every normal is from its own")
        if percentile <= 0:
            return t("as near to its nearest normal as the nearest of the normals to theirs")
        return t(
            "farther from its nearest normal than {share} of the normals are from theirs",
            share=percent(percentile),
        )
    if percentile >= 100:
        return t("farther from its {k} nearest normals than every normal is from its own", k=number(k))
    if percentile <= 0:
        return t("as near to its {k} nearest normals as the nearest of the normals to theirs", k=number(k))
    return t(
        "farther from its {k} nearest normals than {share} of the normals are from theirs",
        k=number(k),
        share=percent(percentile),
    )


def most_unusual_first(scores: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Positions by score, highest first; equal scores in the order in which they came."""
    return positions[np.argsort(-scores[positions], kind="stable")]


def percents(values: np.ndarray) -> list[str]:
    """`percent` of many values."""
    values = np.asarray(values, np.float64)
    # Below a full 100 percent() stops at 99.9, so the rounding must not lift a value to 100.
    return _each(np.where(values < 100, np.minimum(np.round(values, 1), 99.9), values), percent)


def many_times(values: np.ndarray) -> list[str]:
    """`times` of many values."""
    values = np.asarray(values, np.float64)
    return _each(np.where(values < 100, np.round(values, 1), np.round(values)), times)


def _each(values: np.ndarray, words) -> list[str]:
    """Words for each value, made once for equal ones: formatting 50,000 numbers takes seconds."""
    distinct, at = np.unique(values, return_inverse=True)
    made = [words(float(value)) for value in distinct]
    return [made[i] for i in at.ravel().tolist()]
