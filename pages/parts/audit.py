"""The reference audit: which normals the verdicts lean on, which are never used, what removing one would do."""

import numpy as np
import streamlit as st

from dn2core.errors import Refused
from dn2core.explore.audit import Audit, Effects, audit, removal_effects
from pages.parts.clean_trial import names_of
from pages.parts.components import gallery as component
from pages.parts.header import problem
from pages.parts.look import raw
from pages.parts.opened import last_image
from pages.parts.results import Cells
from pages.parts.text import number, t, tn
from pages.parts.widgets import switch_in_address, word_in_address

LISTS = ("hubs", "effects", "unused")


def audit_view(project, shown) -> None:
    """How often each normal is somebody's nearest neighbour, as three ranked lists; one opened shows its effect."""
    k = shown.judge().k
    made, effects, refused = _audited(shown, k, repr((shown.generation, k)))
    _answer(made, k)
    which = word_in_address("list", LISTS)
    _switch(made)
    if which == "effects":
        st.caption(
            t(
                "How many verdicts would turn if this normal alone were removed, and by how much a score would move at "
                "most, the limit staying where it is. Opening one shows the exact effect."
            )
        )
        if not len(shown.scored):
            st.caption(t("No images are scored yet, so there is nothing to compare."))
            return
        if refused is not None:
            problem(refused)
            return
        pictures = effect_cells(shown, effects)
    elif which == "unused":
        st.caption(
            t(
                "No other normal and no scored image has these among its {k} nearest, so removing them changes no "
                "score of an image. Many are good parts of a rare kind: keep them, unless they are strangers.",
                k=number(k),
            )
        )
        pictures = use_cells(shown, made, made.never_used)
    else:
        st.caption(
            t(
                "Under each: of how many other normals and of how many scored images it is among the {k} nearest. "
                "A hub that is a bad part hides many others.",
                k=number(k),
            )
        )
        pictures = use_cells(shown, made, made.hubs)
    if not pictures.ids:
        st.markdown(t("Every normal is used."))
        return
    _draw(project, pictures, which)


def use_cells(shown, made: Audit, rows: np.ndarray) -> Cells:
    """Normals with how often each is a neighbour."""
    captions = [
        t("{normals} normals · {images} images", normals=number(normals), images=number(images))
        for normals, images in zip(made.occurrences[rows].tolist(), made.used[rows].tolist(), strict=True)
    ]
    return _cells(shown, rows, captions)


def effect_cells(shown, effects: Effects) -> Cells:
    """Normals by what their leaving would do, most turned verdicts first, then by the largest change of a score."""
    order = np.lexsort((-effects.largest, -effects.turned))
    captions = [
        t("{turned} · {largest}", turned=_turned(turned), largest=raw(largest))
        for turned, largest in zip(effects.turned[order].tolist(), effects.largest[order].tolist(), strict=True)
    ]
    return _cells(shown, order, captions)


def _turned(n: int) -> str:
    return tn("{n} verdict", "{n} verdicts", n)


def _cells(shown, rows: np.ndarray, captions: list[str]) -> Cells:
    names = names_of(shown)
    return Cells(
        ids=shown.normals.ids[rows].tolist(),
        captions=captions,
        tones=["normal"] * len(rows),
        details=[names[row] for row in rows.tolist()],
    )


@st.cache_resource(max_entries=3, show_spinner=False)
def _audited(_shown, k: int, key: str) -> tuple[Audit, Effects | None, Refused | None]:
    made = audit(_shown.loo, _shown.found if len(_shown.scored) else None, k)
    if not len(_shown.scored):
        return made, None, None
    try:
        return made, removal_effects(_shown.settings.form, _shown.found, _shown.loo, k, _shown.judge().limit), None
    except Refused as error:
        return made, None, error


def _answer(made: Audit, k: int) -> None:
    most = int(made.occurrences.max())
    parts = [
        tn(
            "The busiest one is among the {k} nearest of {n} other",
            "The busiest one is among the {k} nearest of {n} others",
            most,
            k=number(k),
        ),
        tn("{n} is never used", "{n} are never used", len(made.never_used))
        if len(made.never_used)
        else t("all are used"),
    ]
    st.markdown(f"#### {t('Which normals do the verdicts lean on?')} {' · '.join(parts)}")
    st.caption(
        t(
            "A normal is among the nearest of {k} others on average; skewness {skewness} ({word}).",
            k=number(k),
            skewness=number(made.skewness, 1),
            word=t("a few hubs carry the scores") if made.skewness > 1 else t("they are used alike"),
        )
    )


def _switch(made: Audit) -> None:
    words = {
        "hubs": t("Most used"),
        "effects": t("Effect of removing one"),
        "unused": t("Never used: {n}", n=number(len(made.never_used))),
    }
    switch_in_address(t("List"), words, name="list", key="dn2_audit_list")


def _draw(project, pictures: Cells, which: str) -> None:
    last = last_image(project)
    chosen = component.gallery(
        key=f"dn2_audit_{which}_{project.id}",
        project_id=project.id,
        ids=pictures.ids,
        captions=pictures.captions,
        tones=pictures.tones,
        details=pictures.details,
        selected=last if last in pictures.ids else None,
        height=480 if len(pictures.ids) > 12 else 240,
    )
    if chosen is not None:
        st.query_params.update({"image": str(chosen), "trial": "leave"})  # the exact effect at once
        st.rerun()
