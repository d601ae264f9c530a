"""What other settings for places would take, in words, before they hold."""

from dataclasses import replace

import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.patch_cost import Cost, cost
from pages.parts.jobs import duration
from pages.parts.text import md, t, tn


def cost_caption(project, shown, changes: dict) -> None:
    """Under what is chosen and not applied yet: what it takes; nothing where the network is not there to tell."""
    try:
        found = cost(project, shown, replace(shown.settings, **changes))
    except DN2Error:  # the job that asks for it says so
        return
    st.caption(md(cost_words(found)), help=None if found.nothing else _meanwhile())


def cost_words(found: Cost) -> str:
    """What is to be done, and how long it takes, as plain text."""
    if found.nothing:
        return t("All of it is there from before: it holds at once.")
    parts = []
    if found.encoded:
        parts.append(tn("the features of {n} image", "the features of {n} images", found.encoded))
    if found.normals:
        parts.append(tn("comparing {n} normal", "comparing {n} normals with each other", found.normals))
    if found.compared:
        parts.append(tn("comparing {n} scored image", "comparing {n} scored images", found.compared))
    words = t("To be done: {steps}.", steps=", ".join(parts))
    if found.seconds is None:
        return f"{words} {t('How long it takes is told while it runs.')}"
    return f"{words} {t('About {time}, at the speed of the last time.', time=duration(found.seconds))}"


def _meanwhile() -> str:
    return t("It runs in the background. The verdicts of whole images hold meanwhile.")
