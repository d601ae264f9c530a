"""An opened picture: the image, the verdict and why, its nearest normals, its place among the scores."""

import streamlit as st

from dn2core.project.labels import labels
from pages.parts.capture_findings import capture_note
from pages.parts.charts import score_histogram
from pages.parts.components.compare_zoom import compare_zoom
from pages.parts.components.gallery import gallery
from pages.parts.feedback import feedback
from pages.parts.forms import form_words
from pages.parts.header import moment, number_row, problem
from pages.parts.impact import preview
from pages.parts.jiggle import jiggle_bar
from pages.parts.look import BADGES, megabytes, percent, plot_config, raw, times, verdict
from pages.parts.opened import close, remember, turn_to, wanted_image
from pages.parts.results import judged_item, reason
from pages.parts.routes import url
from pages.parts.service import past
from pages.parts.text import md, number, show, t
from pages.parts.where_detail import (
    by_place_alone,
    difference_switch,
    places,
    where_closely,
    where_overlay,
    where_verdict,
)


def open_detail(project, shown, item_id: int, order: list[int], judged=None) -> None:
    """Draw the opened picture in place of what the page shows otherwise.

    Args:
        shown: the snapshot.
        order: item ids as the page lists them; previous and next walk along it.
        judged: the judgement shown; the one of the project's settings by default.
    """
    judged = shown.judge() if judged is None else judged
    one = judged_item(shown, judged, item_id)
    if one is None:
        problem("NOT_FOUND", {"what": t("The image")})
        st.button(t("Back"), key="dn2_back", icon=":material/arrow_back:", on_click=close)
        return
    _way(one, order)
    look_at(project, shown, judged, one)


def open_wanted(project, shown, order: list[int]) -> bool:
    """Draw the picture that the address names, by the settings' judgement; whether there is one to be drawn.

    An unknown one is said, and the page goes on.
    """
    wanted = wanted_image()
    if wanted is None:
        return False
    judged = shown.judge()
    if judged_item(shown, judged, wanted) is None:
        problem("NOT_FOUND", {"what": t("The image")})
        return False
    open_detail(project, shown, wanted, order, judged)
    return True


def look_at(project, shown, judged, one, *, said=None, go_on=None, beside: bool = False) -> None:
    """The picture, why it was judged so, its nearest normals, and what a person says of it.

    Args:
        one: the image, as `judged_item` gives it.
        said: called with (item id, label) once somebody decided; asks about joining the normals by default.
        go_on: called once an image joined the normals or was left out of them; closes the question by default.
        beside: show it beside its nearest normal from the start.
    """
    remember(project, one.item_id)
    neighbours = shown.neighbours_of(one.item_id, judged.k)
    there = places(project, shown, one)
    left, right = st.columns([7, 5], gap="medium")
    with right:
        capture_note(project, shown, one.item_id)
        _verdict(one, judged, there)
        where_verdict(there, one, judged)
        if not past():
            _decide(project, shown, one, by_place_alone(there, one), said or _said, go_on or _not_now)
        _neighbours(project, neighbours, _against(neighbours, beside))
        _place(judged, one)
        jiggle_bar(project, shown, judged, one)
    with left:
        _picture(project, one, neighbours, beside, there)
        where_closely(project, there)
        _facts(project, one.item_id)


def _decide(project, shown, one, by_place: bool, said, go_on) -> None:
    """What a person says of the image, and what follows for the normals."""
    if one.role == "scored":
        label = labels(project).get(int(shown.scored.image_ids[shown.scored.position(one.item_id)]))
        feedback(project, one.item_id, label, flagged=one.beyond or by_place, then=said)
        if label and label.label == "good" and not one.same_as_normal:
            if st.query_params.get("trial") == "join":
                preview(project, shown, join=(one.item_id,), close=go_on, then=go_on)
            else:
                st.button(
                    t("Let it join the normals"),
                    key="dn2_join",
                    icon=":material/playlist_add:",
                    help=t("Shows first what that would change."),
                    on_click=_ask,
                    args=("join",),
                )
    elif one.role == "normal":
        if st.query_params.get("trial") == "leave":
            preview(project, shown, leave=(one.item_id,), close=_not_now, then=close)
        else:
            st.button(
                t("Not a good part: take it out"),
                key="dn2_take_out",
                icon=":material/playlist_remove:",
                help=t("Shows first which flags this image hides; it can be put back."),
                on_click=_ask,
                args=("leave",),
            )


def _said(item_id: int, label: str) -> None:
    """A false alarm: what joining the normals would change is the next question."""
    _ask("join" if label == "good" else None)


def _ask(what: str | None) -> None:
    if what:
        st.query_params["trial"] = what
    else:
        st.query_params.pop("trial", None)


def _not_now() -> None:
    _ask(None)


def _way(one, order: list[int]) -> None:
    """Back to the page, where in the order this picture stands, previous and next."""
    at = order.index(one.item_id) if one.item_id in order else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_way"):
        st.button(t("Back"), key="dn2_back", icon=":material/arrow_back:", shortcut="Esc", on_click=close)
        st.markdown(f"**{md(_short(show(one.name)))}**", width="stretch")
        if at is not None:
            st.caption(md(t("{position} of {n}", position=number(at + 1), n=number(len(order)))), width="content")
        for key, label, icon, step, shortcut in (
            ("dn2_previous", t("Previous"), ":material/chevron_left:", -1, "Left"),
            ("dn2_next", t("Next"), ":material/chevron_right:", 1, "Right"),
        ):
            there = at is not None and 0 <= at + step < len(order)
            st.button(
                label,
                key=key,
                icon=icon,
                shortcut=shortcut,
                disabled=not there,
                on_click=turn_to,
                args=(order[at + step] if there else one.item_id,),
            )


def _verdict(one, judged, there) -> None:
    with st.container(horizontal=True, gap="small", key="dn2_verdict"):
        for name in (one.verdict, "place") if by_place_alone(there, one) else (one.verdict,):
            look = verdict(name)
            st.badge(look.word, icon=look.icon, color=BADGES[name])
    st.markdown(md(reason(one, judged.k)))
    if one.same_as_normal:
        st.caption(t("The very same image is among the normals, so its nearest normal is itself, at distance 0."))
    if not judged.reliable and one.percentile == one.percentile:
        st.caption(t("With fewer than 20 normals neither percentile nor limit can be trusted."))
    number_row(
        [
            (
                t("Percentile"),
                percent(one.percentile),
                t("Share of the normals that are less unusual."),
            ),
            (t("Spacing"), times(one.multiple), t("Multiple of the usual distance between normals.")),
            (
                t("Score"),
                raw(one.score),
                t(
                    "How unusual = {formula}, at k = {k}. Above the limit of {limit} it is flagged.",
                    formula=form_words(judged.form).formula,
                    k=number(judged.k),
                    limit=raw(judged.limit),
                ),
            ),
        ]
    )


def _neighbours(project, neighbours: list, against: int | None) -> None:
    if not neighbours:
        return
    st.markdown(
        f"##### {t('Nearest normals')}",
        help=t(
            "Nearest first. Under each: its distance as a multiple of the usual distance between normals, "
            "then the distance itself. Choose one to see it side by side."
        ),
    )
    chosen = gallery(
        key="dn2_neighbours",
        project_id=project.id,
        ids=[near.item_id for near in neighbours],
        captions=[f"{times(near.times)} · {raw(near.distance)}" for near in neighbours],
        tones=["normal"] * len(neighbours),
        details=[show(near.name) for near in neighbours],
        selected=against,
        height=176 if len(neighbours) <= 3 else 320,
        cell=132,
    )
    if chosen is not None:
        st.query_params["against"] = str(chosen)
        st.rerun()


def _place(judged, one) -> None:
    if len(judged.normal_scores) > 1:
        st.plotly_chart(
            score_histogram(judged.normal_scores, judged.limit, judged.k, mark=one.score, height=200),
            theme=None,
            config=plot_config(),
            key="dn2_place",
            alt=t("The score of this image on the histogram of the normals' scores, with the limit"),
        )


def _picture(project, one, neighbours: list, beside: bool, there) -> None:
    against = _against(neighbours, beside)
    if "dn2_saw" not in st.session_state:
        st.session_state["dn2_saw"] = st.query_params.get("saw") == "1"
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="dn2_picture_bar"):
        st.toggle(
            t("What the network saw"),
            key="dn2_saw",
            on_change=_saw,
            help=t("The very pixels that were compared, after scaling (and cropping, in the paper's preset)."),
        )
        difference_switch(bool(neighbours))
        if against is not None:
            st.button(
                t("This image alone"), key="dn2_alone", icon=":material/crop_square:", on_click=_alone, args=(beside,)
            )
        elif neighbours:
            st.button(
                t("Beside its nearest normal"),
                key="dn2_beside",
                icon=":material/compare:",
                shortcut="N",
                on_click=_compare,
                args=(neighbours[0].item_id,),
            )
    kind = "saw" if st.session_state["dn2_saw"] else "image"
    other = next((near for near in neighbours if near.item_id == against), None)
    nearest = against if against is not None else neighbours[0].item_id if neighbours else None
    compare_zoom(
        key="dn2_zoom",
        left_url=url(kind, project.id, one.item_id),
        right_url=url(kind, project.id, against) if against is not None else None,
        alt=_alt(one, other),
        height=520,
        outline=_outline(project, one.item_id) if kind == "image" else None,
        **(where_overlay(project, there, one.item_id, nearest) if kind == "image" else {}),
    )
    if other is not None:
        st.caption(
            md(
                t(
                    "Left this image, right the normal {name}: {multiple} the usual spacing apart.",
                    name=_short(show(other.name)),
                    multiple=times(other.times),
                )
            )
        )


def _outline(project, item_id: int) -> tuple | None:
    """What the network saw of the picture, where that is not all of it."""
    part = project.seen_part(item_id)
    return None if part == (0, 0, 1, 1) else part


def _alt(one, other) -> str:
    if other is None:
        return t("Image {name}", name=show(one.name))
    return t("Image {name} beside normal {other}", name=show(one.name), other=show(other.name))


def _facts(project, item_id: int) -> None:
    item = project.item(item_id)
    words = [
        f"{number(item.width)} × {number(item.height)}",
        item.format,
        megabytes(item.bytes),
        t("came {moment}", moment=moment(item.added)),
    ]
    st.caption(" · ".join(md(word) for word in words))


def _against(neighbours: list, beside: bool) -> int | None:
    """The normal that the picture stands beside; where the address names none, the nearest if `beside`."""
    word = st.query_params.get("against")
    if word is None:
        return neighbours[0].item_id if beside and neighbours else None
    return next((near.item_id for near in neighbours if str(near.item_id) == word), None)


def _compare(item_id: int) -> None:
    st.query_params["against"] = str(item_id)


def _alone(beside: bool) -> None:
    if beside:
        st.query_params["against"] = "none"
    else:
        st.query_params.pop("against", None)


def _saw() -> None:
    if st.session_state["dn2_saw"]:
        st.query_params["saw"] = "1"
    else:
        st.query_params.pop("saw", None)


def _short(text: str, length: int = 60) -> str:
    """The end of a path tells more than its start."""
    return text if len(text) <= length else "…" + text[-(length - 1) :]
