"""The panel in which a project's mask is drawn on one of its normals. Nothing holds before Apply."""

import numpy as np
import streamlit as st

from dn2core.detect.mask import Mask, as_shapes, check_leaves_some, share_looked_at
from dn2core.errors import DN2Error, Refused
from dn2core.project.history_words import area_words, mask_words
from pages.parts.components.gallery import gallery
from pages.parts.components.mask_draw import mask_draw
from pages.parts.components.who import author
from pages.parts.header import problem
from pages.parts.history_words import SAY
from pages.parts.look import percent
from pages.parts.routes import url
from pages.parts.service import past
from pages.parts.text import md, show, t
from pages.parts.where_cost import cost_caption

DRAFTS = "dn2_mask_drafts"  # what is drawn and not applied, by project
NORMALS = 12  # to choose from
LITTLE = 0.05  # of the picture: who looks at less is asked whether that is meant


@st.fragment
def mask_panel(project, shown) -> None:
    """Draw the mask of a snapshot's project; in a state of the past it is only shown.

    A stroke reruns this alone, Apply the whole page.
    """
    saved, fixed = shown.settings.mask, past()
    left, right = st.columns([3, 2], gap="large")
    with right:
        answer = st.container()
        item, name = _normal(project, shown)
    shapes = saved if fixed else _draft(project, saved)
    with left:
        drawn = mask_draw(
            key=f"dn2_mask_{'then' if fixed else 'now'}_{project.id}",
            url=url("image", project.id, item),
            alt=t("The mask on {name}", name=show(name)),
            shapes=shapes,
            fixed=fixed,
        )
    with answer:
        if drawn is not None:
            shapes = _taken(project, saved, drawn, shapes)
        _looked_at(shapes, saved)
        if fixed:
            st.caption(t("The mask is changed in the present state only."))
        else:
            _actions(project, shown, shapes)


def masked(mask: Mask) -> str:
    """How much of the picture places are looked at in, to be put after a sentence; "" where no mask is in force."""
    if not mask:
        return ""
    share = percent(100 * share_looked_at(mask))
    return f" · {md(t('places: {share} of the picture is looked at', share=share))}"


def _normal(project, shown) -> tuple[int, str]:
    """The normal that is drawn on, out of the most usual ones: its id and name."""
    near = np.argsort(shown.judge().normal_scores, kind="stable")[:NORMALS] if shown.loo is not None else [0]
    normals = shown.normals.some(np.asarray(near))
    key = f"dn2_mask_normal_{project.id}"
    ids = normals.ids.tolist()
    chosen = st.session_state.get(key)
    chosen = chosen if chosen in ids else ids[0]
    if len(ids) > 1:
        st.caption(t("Drawn on this normal; these are the most usual ones:"))
        opened = gallery(
            key=f"{key}_gallery",
            project_id=project.id,
            ids=ids,
            captions=[""] * len(ids),
            tones=["normal"] * len(ids),
            details=[show(name) for name in normals.names],
            selected=chosen,
            height=180,
            cell=72,
        )
        if opened is not None and opened != chosen:
            st.session_state[key] = opened
            st.rerun()
    return chosen, normals.names[ids.index(chosen)]


def _draft(project, saved: Mask) -> Mask:
    return st.session_state.get(DRAFTS, {}).get(project.id, saved)


def _keep(project, saved: Mask, shapes: Mask) -> None:
    """Put a mask on trial; what is in force leaves no trace."""
    drafts = st.session_state.setdefault(DRAFTS, {})
    if shapes == saved:
        drafts.pop(project.id, None)
    else:
        drafts[project.id] = shapes


def _taken(project, saved: Mask, drawn: list, before: Mask) -> Mask:
    """What the browser drew, as the draft; the one before it where that is no mask."""
    try:
        shapes = as_shapes(drawn)
    except Refused as error:
        problem(error)
        return before
    _keep(project, saved, shapes)
    return shapes


def _looked_at(shapes: Mask, saved: Mask) -> None:
    share = percent(100 * share_looked_at(shapes))
    st.markdown(f"#### {md(t('{share} of the picture is looked at', share=share))}")
    words = [t("Areas: {areas}.", areas=area_words(shapes, SAY))]
    if shapes != saved:
        words.append(t("In force: {mask}.", mask=mask_words(saved, SAY)))
    words.append(t("It holds at the same place of every picture, for normals and new images alike."))
    words.append(t("It holds for places only: the verdict of the whole image does not follow it."))
    st.caption(
        md(" ".join(words)),
        help=t(
            "For the score of the whole image the network makes one vector of all that it sees, and no part can be "
            "taken out of that afterwards."
        ),
    )


def _actions(project, shown, shapes: Mask) -> None:
    """What it takes, Apply, and the ways back; nothing that hides everything can be applied."""
    saved, hides = shown.settings.mask, _hides_all(shapes)
    if shapes != saved and hides is None and shown.settings.patches is not None:
        cost_caption(project, shown, {"mask": shapes})
    if hides is None and share_looked_at(shapes) < LITTLE:
        st.warning(
            t(
                "Only {share} of the picture is left: what lies anywhere else is not found by places.",
                share=md(percent(100 * share_looked_at(shapes))),
            ),
            icon=":material/warning:",
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_mask_row"):
        if st.button(
            t("Apply"),
            key="dn2_mask_apply",
            type="primary",
            icon=":material/check:",
            disabled=shapes == saved or hides is not None,
        ):
            _apply(project, shapes)
            st.rerun()
        st.button(
            t("Back to what is in force"),
            key="dn2_mask_back",
            icon=":material/undo:",
            disabled=shapes == saved,
            on_click=_keep,
            args=(project, saved, saved),
        )
        st.button(
            t("No mask"),
            key="dn2_mask_none",
            icon=":material/layers_clear:",
            disabled=not shapes,
            on_click=_keep,
            args=(project, saved, ()),
        )
    failed = hides or st.session_state.pop("dn2_mask_failed", None)
    if failed is not None:
        problem(failed)


def _hides_all(shapes: Mask) -> Refused | None:
    try:
        check_leaves_some(shapes)
    except Refused as error:
        return error
    return None


def _apply(project, shapes: Mask) -> None:
    try:
        project.change_settings(mask=shapes, author=author())
    except DN2Error as error:
        st.session_state["dn2_mask_failed"] = error
    else:
        st.session_state.get(DRAFTS, {}).pop(project.id, None)
