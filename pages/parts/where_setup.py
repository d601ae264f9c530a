"""How patches are looked at: how finely, compared with what, and where not."""

import streamlit as st

from dn2core.errors import DN2Error
from dn2core.features.patches import TILES
from dn2core.project.history_words import patches_word
from dn2core.project.patches import plans
from dn2core.project.settings import PATCHES
from pages.parts.components.who import author
from pages.parts.header import problem
from pages.parts.history_words import SAY
from pages.parts.look import megabytes
from pages.parts.mask import mask_panel
from pages.parts.service import past
from pages.parts.text import md, number, t
from pages.parts.where_cost import cost_caption


def begin(project, shown) -> None:
    """Patches are not looked at: why they should be, and the button."""
    st.markdown(f"#### {t('The whole image hides small defects')}")
    st.markdown(
        t(
            "A scratch of a few pixels changes little of the whole. Here each place of an image is compared with the"
            " places of the normals: a heatmap shows where it differs, beside the parts that it should have matched."
        )
    )
    if past():
        st.caption(t("In this state of the past, places were not looked at."))
        return
    found = _plans(project, shown)
    if found is None:
        return
    tiles = _tiles(project, found, 1)
    changes = {"patches": PATCHES[0], "tiles": tiles}
    cost_caption(project, shown, changes)
    st.button(
        t("Look at places"),
        key="dn2_where_begin",
        type="primary",
        icon=":material/center_focus_weak:",
        on_click=_apply,
        args=(project, changes),
    )
    _told()


def setup(project, shown) -> None:
    """Another fineness, another comparison, the mask, and the way back."""
    if past():
        return
    _told()
    opened = st.expander(t("Where to look"), icon=":material/select_all:", key="dn2_where_mask", on_change="rerun")
    if opened.open:
        with opened:
            mask_panel(project, shown)
    with st.expander(t("How finely, and compared with what"), icon=":material/grid_4x4:", key="dn2_where_how"):
        found = _plans(project, shown)
        if found is not None:
            _change(project, shown, found)
        st.button(
            t("Look at the whole image alone"),
            key="dn2_where_end",
            icon=":material/close:",
            on_click=_apply,
            args=(project, {"patches": None}),
            help=t("The features of places stay on the disk, so that coming back is quick."),
        )


def _change(project, shown, found: list) -> None:
    settings = shown.settings
    tiles = _tiles(project, found, settings.tiles)
    method = st.radio(
        t("Compared with"),
        PATCHES,
        index=PATCHES.index(settings.patches),
        format_func=lambda name: patches_word(name, SAY),
        key="dn2_where_method",
        horizontal=True,
        help=t(
            "All normals' patches, thinned (PatchCore): quicker, and better on what was measured. Its nearest normals'"
            " patches (SPADE): for parts that come in many kinds."
        ),
    )
    changed = {"tiles": tiles, "patches": method}
    same = (tiles, method) == (settings.tiles, settings.patches)
    if not same:
        cost_caption(project, shown, changed)
    st.button(
        t("Apply"),
        key="dn2_where_apply",
        disabled=same,
        on_click=_apply,
        args=(project, changed),
    )


def _plans(project, shown) -> list | None:
    try:
        return plans(project, shown, TILES)
    except DN2Error as error:
        problem(error)
        return None


def _tiles(project, found: list, chosen: int) -> int:
    """How finely: with the smallest defect that shows, and what it takes."""
    first = found[0]
    st.markdown(
        md(
            t(
                "Most normals have {width} × {height} pixels.",
                width=number(first.width),
                height=number(first.height),
            )
        )
    )
    by = {plan.tiles: plan for plan in found}
    return st.radio(
        t("How finely"),
        list(by),
        index=list(by).index(chosen),
        format_func=lambda tiles: _fineness(by[tiles]),
        key=f"dn2_where_tiles_{chosen}_{project.id}",
        help=t(
            "A large picture is cut into tiles, so that small defects survive. The network sees each at 320 × 320"
            " pixels. On lively surfaces, such as grass, a defect must be about"
            " twice as wide to stand out. Tiles overlap, so that nothing is cut at an edge. Twice as"
            " many along each side take four times as long."
        ),
    )


def _fineness(plan) -> str:
    values = {
        "tiles": number(plan.tiles),
        "px": number(max(1.0, plan.smallest), 0 if plan.smallest >= 10 else 1),
        "size": megabytes(plan.bytes),
    }
    if plan.tiles == 1:
        return t("In one piece: shows defects from about {px} px on · {size} on disk", **values)
    return t("{tiles} × {tiles} tiles: shows defects from about {px} px on · {size} on disk", **values)


def _apply(project, changes: dict) -> None:
    try:
        project.change_settings(author=author(), **changes)
    except DN2Error as error:
        st.session_state["dn2_where_told"] = error


def _told() -> None:
    error = st.session_state.pop("dn2_where_told", None)
    if error is not None:
        problem(error)
