"""Places on the pages that speak of the whole image: what labels say of both, and where to read on."""

import streamlit as st

from pages.parts.links import link
from pages.parts.look import percent
from pages.parts.text import md, number, t, tn

ICON = ":material/center_focus_weak:"


def beside(found) -> None:
    """Both modes by the labels; `found` as `both_by_labels` gives it."""
    st.markdown(
        f"##### {t('By the whole image and by places')}",
        help=t(
            "On the same labelled images, each mode at its own limit. An image counts as flagged by places where its"
            " most unusual place lies above the limit for places."
        ),
    )
    st.markdown(md(beside_words(found)))
    st.markdown("\n".join(_table(found)))
    if found.uncompared:
        st.caption(
            tn(
                "{n} labelled image is left out here: its places are not compared.",
                "{n} labelled images are left out here: their places are not compared.",
                found.uncompared,
            )
        )
    if found.defects.patches or found.defects.whole:
        link("where", t("Show the images that one of them flags alone"), icon=ICON, by="patches,whole")
    else:
        link("where", t("Show where images are unusual"), icon=ICON)


def beside_words(found) -> str:
    """Which mode finds defects that the other one misses (plain text)."""
    defects = found.defects
    words = []
    if defects.patches:
        words.append(
            tn(
                "{n} known defect is found by a place alone.",
                "{n} known defects are found by a place alone.",
                defects.patches,
            )
        )
    if defects.whole:
        words.append(
            tn(
                "{n} known defect is found by the whole image alone.",
                "{n} known defects are found by the whole image alone.",
                defects.whole,
            )
        )
    if not words and defects.both:
        words.append(t("Both find the same known defects."))
    if defects.neither:
        words.append(
            tn("{n} known defect is missed by both.", "{n} known defects are missed by both.", defects.neither)
        )
    return " ".join(words) or t("No known defect counts here.")


def _table(found) -> list[str]:
    defects, good = found.defects, found.good
    rows = (
        (t("Whole image"), defects.by_whole, good.by_whole, _area(found.whole_auc)),
        (t("Places"), defects.by_patches, good.by_patches, _area(found.patches_auc)),
        (t("Either"), defects.by_either, good.by_either, ""),
    )
    head = (t("Known defects found"), t("Good parts flagged"), t("ROC AUC, 95 % interval"))
    return [
        "| | " + " | ".join(map(md, head)) + " |",
        "|:--|--:|--:|--:|",
        *(
            f"| {md(name)} | {md(_of(hits, defects.of))} | {md(_of(alarms, good.of))} | {md(area)} |"
            for name, hits, alarms, area in rows
        ),
    ]


def _of(count: int, of: int) -> str:
    if not of:
        return "–"
    return t("{n} of {all} ({share})", n=number(count), all=number(of), share=percent(100 * count / of))


def _area(found) -> str:
    if found is None:
        return t("not defined")
    value, low, high = (number(one, 3) for one in found)
    return t("{value} ({low} to {high})", value=value, low=low, high=high)


def places_may_find_more() -> None:
    """Where defects are missed and nobody looks at places: the way there."""
    link("where", t("Small defects may hide in the whole image: look at places, too"), icon=ICON)


def about_the_whole(shown, words: str) -> None:
    """Where places are looked at: that the page speaks of the whole image, and the way to the limit for places."""
    if shown.settings.patches is not None:
        link("where", words, icon=ICON)
