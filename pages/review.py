"""Review: one image at a time, beside its nearest normals, and a key for each decision."""

import secrets

import numpy as np
import streamlit as st

from dn2core.project.claims import claim, claimed_by_others
from dn2core.project.labels import labels, labels_of
from dn2core.project.patches import by_a_place_alone, patch_view
from dn2core.project.queue import QUEUES, queue
from pages.parts.browse import browse
from pages.parts.components.who import author
from pages.parts.detail import look_at
from pages.parts.header import empty_state, need_project, problem, project_header
from pages.parts.impact import changed_normals, preview
from pages.parts.opened import turn_to, wanted_image
from pages.parts.place_alone import not_compared_yet, place_badge, places_missing
from pages.parts.results import cells, judged_item, most_unusual_first, with_places
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import md, number, show, t, tn

HOLDER = "dn2_reviewer"  # tells this session from other reviewers
WENT_ON = "dn2_went_on"  # the image that the page itself went on to


def review() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    st.title(t("Review"), anchor=False)
    project_header(project, shown)
    if shown is None or len(shown.scored) == 0:
        empty_state(
            t("Nothing to review yet"),
            t("Here people look at flagged images one by one. Score new images first."),
            t("Go to Score") if shown is not None else t("Go to Normals"),
            "score" if shown is not None else "normals",
            icon=":material/rule:",
        )
        return
    if past():
        st.markdown(t("A state of the past is only looked at. Go back to now to review."))
        return
    changed_normals(project)
    judged, known, places = shown.judge(), labels(project), patch_view(project, shown)
    alone = by_a_place_alone(judged, places)
    queues = {name: queue(shown, judged, known, name, patches=places) for name in QUEUES}
    which = _which(queues)
    lined_up = queues[which]
    others = claimed_by_others(project, _holder())
    item_id = _current(shown, lined_up, others)
    _progress(lined_up, others, shown)
    if which == "flagged":
        not_compared_yet(shown, places)
        _by_place(int(alone[lined_up.all].sum()))
    if item_id is None:
        unknown = places_missing(shown, places) if which == "flagged" else 0
        _finished(lined_up, which, unknown > 0, judged.limit != judged.limit)
    else:
        _one(project, shown, judged, item_id, lined_up, others)
    _false_alarms(project, shown, known, judged.flagged | alone)
    _shelf(project, shown, judged, known, alone)


def _holder() -> str:
    return st.session_state.setdefault(HOLDER, secrets.token_hex(8))


def _which(queues: dict) -> str:
    words = {
        "flagged": t("Flagged"),
        "review": t("Between the limits"),
        "near": t("Passed, near the limit"),
        "unsure": t("Unsure"),
    }
    counts = {name: len(one.waiting) for name, one in queues.items()}
    wanted = st.query_params.get("queue", "flagged")
    if st.session_state.get("dn2_queue") is None:
        st.session_state["dn2_queue"] = wanted if wanted in words else "flagged"
    offered = [name for name in QUEUES if name in ("flagged", "near") or counts[name] or name == wanted]
    return st.segmented_control(
        t("What to look at"),
        offered,
        format_func=lambda name: t("{queue}: {n} to decide", queue=words[name], n=number(counts[name])),
        key="dn2_queue",
        required=True,
        label_visibility="collapsed",
        on_change=_other_queue,
    )


def _other_queue() -> None:
    for name in ("image", "trial", "against"):
        st.query_params.pop(name, None)
    if st.session_state["dn2_queue"] in (None, "flagged"):
        st.query_params.pop("queue", None)
    else:
        st.query_params["queue"] = st.session_state["dn2_queue"]


def _current(shown, lined_up, others: dict) -> int | None:
    """The image in the address, else the first that waits and that nobody else looks at.

    The one that the page itself went on to may have been cleared by the last decision: then the next one comes.
    """
    free = [at for at in lined_up.waiting if int(shown.scored.image_ids[at]) not in others]
    wanted = wanted_image()
    at = None if wanted is None else shown.scored.position(wanted)
    if wanted is not None and at is None:
        problem("NOT_FOUND", {"what": t("The image")})
    if at is not None and (at in lined_up.waiting or st.session_state.get(WENT_ON) != wanted):
        return wanted
    if at is not None:
        del st.query_params["image"]
        free = [one for one in free if lined_up.unusual[one] <= lined_up.unusual[at]] or free
    return int(shown.scored.ids[free[0]]) if free else None


def _progress(lined_up, others: dict, shown) -> None:
    done, total = len(lined_up.done), lined_up.total
    if total == 0:
        return
    words = t("{done} of {total} decided", done=number(done), total=number(total))
    waiting = set(shown.scored.image_ids[lined_up.waiting].tolist())
    busy = [name for image, name in others.items() if image in waiting]
    if busy:
        names = ", ".join(sorted({show(name) if name else t("somebody") for name in busy}))
        words += " · " + t("looking, too: {names}", names=names)
    st.progress(done / total, md(words))


def _by_place(count: int) -> None:
    """How many of the queue only a place gave away."""
    if count:
        words = tn(
            "{n} of them has one unusual place, though it passes as a whole.",
            "{n} of them have one unusual place, though they pass as a whole.",
            count,
        )
        st.markdown(f"{place_badge()} {words}")


def _finished(lined_up, which: str, places_unknown: bool, no_limit: bool) -> None:
    if no_limit:
        st.markdown(f"#### :material/help: {t('Nothing is judged yet: one normal is too few for a limit.')}")
    elif lined_up.waiting.size:
        st.markdown(f"#### :material/group: {t('Others look at all that is left.')}")
    elif lined_up.done.size:
        st.markdown(f"#### :material/task_alt: {t('All are decided.')}")
    elif places_unknown:
        st.markdown(f"#### :material/hourglass_empty: {t('No image is flagged as a whole.')}")
    else:
        words = {
            "flagged": t("No image is flagged."),
            "review": t("No image lies between the limits."),
            "near": t("No image passes."),
            "unsure": t("Nobody was unsure."),
        }
        st.markdown(f"#### :material/task_alt: {words[which]}")


def _one(project, shown, judged, item_id: int, lined_up, others: dict) -> None:
    one = judged_item(shown, judged, item_id)
    image_id = int(shown.scored.image_ids[shown.scored.position(item_id)])
    if not claim(project, image_id, _holder(), author()):
        name = others.get(image_id) or t("somebody")
        st.info(
            t("{name} looks at this image, too. Decide on another one, or agree with each other.", name=md(show(name))),
            icon=":material/group:",
        )
    before, after = _neighbouring(shown, item_id, lined_up, others)
    _way(one, before, after)
    look_at(
        project,
        shown,
        judged,
        one,
        said=lambda item, label: _decided(item, label, after),
        go_on=lambda: _go_on(after),
        beside=True,
    )


def _neighbouring(shown, item_id: int, lined_up, others: dict) -> tuple[int | None, int | None]:
    """The images before and after this one in the queue, without those that others look at."""
    taken = {int(one) for one in shown.scored.ids[np.isin(shown.scored.image_ids, list(others))]} if others else set()
    waiting = zip(shown.scored.ids[lined_up.waiting].tolist(), lined_up.unusual[lined_up.waiting].tolist(), strict=True)
    queued = {one: unusual for one, unusual in waiting if one not in taken or one == item_id}
    free = list(queued)
    if item_id in free:
        at = free.index(item_id)
        return (free[at - 1] if at else None), (free[at + 1] if at + 1 < len(free) else None)
    mine = lined_up.unusual[shown.scored.position(item_id)]
    later = [one for one in free if queued[one] <= mine]
    earlier = [one for one in free if queued[one] > mine]
    return (earlier[-1] if earlier else None), (later[0] if later else None)


def _way(one, before: int | None, after: int | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_way"):
        st.markdown(f"**{md(show(one.name)[-60:])}**", width="stretch")
        for key, label, icon, there, shortcut in (
            ("dn2_previous", t("Previous"), ":material/chevron_left:", before, "Left"),
            ("dn2_next", t("Next"), ":material/chevron_right:", after, "Right"),
        ):
            st.button(
                label,
                key=key,
                icon=icon,
                shortcut=shortcut,
                disabled=there is None,
                on_click=turn_to,
                args=(there,),
            )


def _decided(item_id: int, label: str, after: int | None) -> None:
    """On to the next one; a false alarm stays until it is said whether it joins the normals."""
    if label == "good":
        st.query_params["image"] = str(item_id)
        st.query_params["trial"] = "join"
    else:
        _go_on(after)


def _go_on(after: int | None) -> None:
    st.session_state[WENT_ON] = after
    if after is not None:
        turn_to(after)
        return
    for name in ("image", "trial"):
        st.query_params.pop(name, None)


def _false_alarms(project, shown, known, flagged: np.ndarray) -> None:
    """The false alarms that did not join the normals yet, all at once."""
    labels_now = labels_of(shown.scored, known)
    open_ones = np.flatnonzero((labels_now == "good") & ~shown.same_as_normal & flagged)
    if len(open_ones) < 2:
        return
    ids = tuple(shown.scored.ids[open_ones].tolist())
    title = tn(
        "{n} false alarm that is not among the normals", "{n} false alarms that are not among the normals", len(ids)
    )
    opened = st.expander(title, icon=":material/playlist_add:", key="dn2_open_false_alarms", on_change="rerun")
    if opened.open:
        with opened:
            preview(project, shown, join=ids, key="all")


def _shelf(project, shown, judged, known, alone: np.ndarray) -> None:
    """Known defects: what passes first, for that is what somebody must look at."""
    labels_now = labels_of(shown.scored, known)
    defects = np.flatnonzero(labels_now == "defect")
    if not len(defects):
        return
    passes = (judged.verdicts == "pass") & ~alone
    missed = defects[passes[defects]]
    title = tn("{n} known defect", "{n} known defects", len(defects))
    if len(missed):
        title += " · " + tn("{n} passes now", "{n} pass now", len(missed))
    with st.expander(title, icon=":material/report:", expanded=bool(len(missed)), key="dn2_shelf"):
        st.caption(
            t("Each change of k, limit, normals or network says which of them would be missed. Missed ones first.")
        )
        found = defects[~passes[defects]]
        order = np.concatenate([most_unusual_first(judged.scores, missed), most_unusual_first(judged.scores, found)])
        pictures = with_places(cells(shown, judged, order), alone[order])
        browse(project, pictures, key="dn2_shelf_gallery", height=270, cell=136)


review()
