"""The comparison as a table: a row for each detector."""

import pandas as pd

from pages.parts.compare_words import area, entry_words
from pages.parts.look import megabytes
from pages.parts.text import number, t

FAMILIES = {
    "nearest neighbours": lambda: t("nearest neighbours"),
    "reconstruction": lambda: t("reconstruction"),
    "density": lambda: t("density"),
    "one class": lambda: t("one class"),
    "isolation": lambda: t("isolation"),
    "self-supervised": lambda: t("self-supervised"),
}


def standings_table(kept, standing) -> pd.DataFrame:
    """Accuracy where labels tell, else agreement alone; then time, memory and notes. In the order of the entries."""
    standings = {} if standing is None else standing.standings
    labelled = any(one.roc_auc is not None for one in standings.values())
    return pd.DataFrame([_row(entry, standings.get(name), standing, labelled) for name, entry in kept.entries.items()])


def _row(entry, one, standing, labelled: bool) -> dict:
    row = {t("Detector"): entry.title, t("Kind"): FAMILIES[entry.detector.family]()}
    if labelled:
        row[t("ROC AUC")] = _estimate(one and one.roc_auc)
        row[t("Beside DN2")] = "–" if one is None or entry.name == standing.reference else _gain(entry.name, standing)
    row[t("Agrees with DN2")] = "–" if one is None or one.correlation is None else number(one.correlation, 2)
    row[t("Same most unusual")] = (
        "–" if one is None else t("{n} of {all}", n=number(one.shared), all=number(standing.top))
    )
    row[t("Fit")] = _seconds(entry.fit_seconds, entry.encode_seconds)
    row[t("Per image")] = "–" if entry.score_ms is None else t("{n} ms", n=number(entry.score_ms, 2))
    row[t("Memory")] = "–" if entry.memory_bytes is None else megabytes(entry.memory_bytes)
    row[t("To know")] = entry_words(entry)
    return row


def _estimate(found) -> str:
    if found is None:
        return "–"
    if found.low == found.high:  # a few labels that do not overlap: no draw of them could tell how far off that is
        return t("{value} (no overlap)", value=area(found.value))
    return t("{value} ({low} to {high})", value=area(found.value), low=area(found.low), high=area(found.high))


def _gain(name: str, standing) -> str:
    gain = standing.standings[name].gain
    if gain is None:
        return "–"
    word = {"better": t("better"), "worse": t("worse"), "open": t("open")}[standing.word(name)]
    return t("{word}: {low} to {high}", word=word, low=_signed(gain.low), high=_signed(gain.high))


def _signed(value: float) -> str:
    return ("+" if value > 0 else "−" if value < 0 else "") + area(abs(value))


def _seconds(fit: float | None, encode: float | None) -> str:
    if fit is None:
        return "–"
    whole = fit + (encode or 0)
    return t("{n} s", n=number(whole, 2 if whole < 1 else 1 if whole < 10 else 0))
