"""Score: new images in, the unusual ones on top."""

import numpy as np
import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.captures import measured
from dn2core.project.labels import labels_of
from dn2core.project.patches import by_a_place_alone, patch_view
from dn2core.project.reporting import known_labels, results_of
from pages.parts import filters
from pages.parts.accounting import accounting, last_delivery, source_word
from pages.parts.browse import browse
from pages.parts.capture_findings import taken
from pages.parts.capture_gallery import corner_marks
from pages.parts.capture_words import ICON, why
from pages.parts.charts import score_histogram
from pages.parts.deliveries import deliveries
from pages.parts.detail import open_wanted
from pages.parts.feedback import label_word, marks
from pages.parts.forms import order_words
from pages.parts.header import empty_state, few_normals, moment, need_project, problem, project_header
from pages.parts.impact import changed_normals
from pages.parts.intake import intake_ways
from pages.parts.jobs import job_panel, last_failure
from pages.parts.limits import refusal
from pages.parts.links import go
from pages.parts.look import ICONS, percent, plot_config, raw, verdict
from pages.parts.place_alone import not_compared_yet, place_badge
from pages.parts.report_button import report_button
from pages.parts.results import cells, most_unusual_first, with_places
from pages.parts.service import current_project, past, snapshot
from pages.parts.text import distinct, language, md, number, t, tn
from pages.parts.widgets import put


def score() -> None:
    if st.session_state.pop("dn2_to_places", False):
        go("where", by="patches")
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(t("Score"), anchor=False)
    project_header(project, shown)
    busy = job_panel(project, ("intake", "reencode"))
    if not busy:
        last_failure(project, "intake")
    if shown is None:
        if not busy:
            empty_state(
                t("No normals yet"),
                t("New images are compared with normals. Give images of good parts first."),
                t("Go to Normals"),
                "normals",
            )
        return
    if len(shown.scored) == 0:
        _first(project, shown, busy)
        return
    judged = shown.judge()
    chosen = filters.read(st.query_params)
    known = known_labels(project, shown)
    said = labels_of(shown.scored, known)
    captures = taken(project, shown)
    odd = captures.scored_with_findings()
    positions = most_unusual_first(judged.scores, filters.matching(chosen, shown, judged, said, odd))
    if open_wanted(project, shown, shown.scored.ids[positions].tolist()):
        return
    places = patch_view(project, shown)
    with right.container(horizontal=True, horizontal_alignment="right"):
        report_button(project, shown, judged)
        _download(project, shown, judged, positions, captures)
    changed_normals(project)
    alone = by_a_place_alone(judged, places)
    _answer(shown, judged, int(alone.sum()))
    _missed(judged, said, alone)
    not_compared_yet(shown, places)
    _by_place(int(alone.sum()))
    _check_capture(int(odd.sum()), chosen)
    last_delivery(project.batches("scored"))
    if not past():
        _more_images(project)
    _filter_row(project, shown, judged, chosen, said)
    said_when = sorted(label.event_id for label in known.values())
    stamp = (said_when, places and places.key)
    _pictures(project, shown, judged, chosen, positions, said, captures.scored, alone, stamp)
    _distribution(judged)
    _where_they_went(project)


def _first(project, shown, busy: bool) -> None:
    if busy:
        st.caption(t("You can leave this page meanwhile: the work goes on, and the sidebar shows how far it is."))
    else:
        _lost(shown)
        st.markdown(
            tn(
                "Give new images: each is compared with {n} normal, and those that differ are flagged.",
                "Give new images: each is compared with {n} normals, and those that differ are flagged.",
                len(shown.normals),
            )
        )
    # Also while another tab's work runs: an uploader that vanished would lose the files on their way to it.
    _ways(project)
    _where_they_went(project)


def _ways(project) -> None:
    intake_ways(project, "scored", key="dn2_score")
    _camera(project)


def _camera(project) -> None:
    # The browser asks for the camera as soon as the widget is drawn: only on request.
    opened = st.expander(t("Take a picture"), icon=":material/photo_camera:", key="dn2_camera_open", on_change="rerun")
    if not opened.open:
        return
    with opened:
        turn = st.session_state.setdefault("dn2_camera_turn", 0)
        photo = st.camera_input(t("Camera"), key=f"dn2_camera_{turn}", label_visibility="collapsed")
        if photo is None:
            return
        st.session_state["dn2_camera_turn"] = turn + 1
        try:
            batch = project.new_batch("scored", "camera")
            count = sum(before.source == "camera" for before in project.batches("scored"))
            project.stage(batch, f"camera-{count + 1:04}.jpg", photo)
            project.submit(batch)
        except DN2Error as error:
            problem(error)
        else:
            st.rerun()


def _more_images(project) -> None:
    with st.expander(t("Score more images"), icon=":material/add_photo_alternate:", key="dn2_more"):
        _ways(project)


def _answer(shown, judged, alone: int) -> None:
    n, flagged = len(shown.scored), int(judged.flagged.sum())
    if judged.limit != judged.limit:
        st.markdown(t("One normal is too few for a limit, so nothing is judged yet. Add more normals."))
    else:
        st.markdown(
            f"#### {_counts(judged, flagged, n, alone)}"
            f" · {t('limit {limit} at k = {k}', limit=raw(judged.limit), k=number(judged.k))}"
            f" · {t('judged by normals version {version}', version=number(shown.state.version))}"
        )
        st.caption(_limit_words(judged))
    few_normals(judged)
    _lost(shown)
    if shown.waiting:
        st.caption(
            tn(
                "{n} image is still being encoded and is not shown yet.",
                "{n} images are still being encoded and are not shown yet.",
                shown.waiting,
            )
        )


def _counts(judged, flagged: int, n: int, alone: int) -> str:
    words = t("{flagged} of {n} flagged", flagged=number(flagged), n=number(n))
    if judged.reject_budget is not None:
        to_review = int(np.sum(judged.verdicts == "review"))
        words += " · " + t("{n} of them for review", n=number(to_review))
    if alone:
        words += " · " + t("{n} more by a place alone", n=number(alone))
    return words


def _missed(judged, said, alone: np.ndarray) -> None:
    """Known defects that pass, and of which no place is flagged either: nobody may have to look for that."""
    missed = int(np.sum((said == "defect") & (judged.verdicts == "pass") & ~alone))
    if not missed:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_missed"):
        st.warning(
            tn("{n} known defect passes at this limit.", "{n} known defects pass at this limit.", missed),
            icon=":material/report:",
        )
        st.button(
            t("Show"),
            key="dn2_show_missed",
            on_click=filters.write,
            args=(filters.Filters(verdicts=("pass",), labels=("defect",)),),
        )


def _by_place(alone: int) -> None:
    """Images that pass as a whole and have one place that does not."""
    if not alone:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_by_place"):
        st.markdown(
            f"{place_badge()} "
            + tn(
                "{n} more image has one unusual place, though it passes as a whole.",
                "{n} more images have one unusual place, though they pass as a whole.",
                alone,
            ),
            width="content",
        )
        st.button(t("Show"), key="dn2_show_places", on_click=_to_places)


def _to_places() -> None:
    st.session_state["dn2_to_places"] = True


def _check_capture(odd: int, chosen) -> None:
    """Pictures that were taken unlike the normals: the camera may be at fault, whatever the verdict."""
    if not odd:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_check_capture"):
        words = tn("{n} image: check the capture.", "{n} images: check the capture.", odd)
        st.markdown(f"{ICON} {words}", width="content", help=why())
        st.button(
            t("Show all") if chosen.capture else t("Show"),
            key="dn2_show_capture",
            on_click=filters.write,
            args=(filters.Filters(capture=not chosen.capture),),
        )


def _lost(shown) -> None:
    if shown.lost:
        st.warning(
            tn(
                "The stored picture of {n} scored image is lost, so it cannot be judged. Give it again.",
                "The stored pictures of {n} scored images are lost, so they cannot be judged. Give them again.",
                shown.lost,
            ),
            icon=":material/broken_image:",
        )


def _limit_words(judged) -> str:
    """What the limit promises, or why it cannot."""
    calibration = judged.calibration
    words = t(
        "About {share} of good parts like the normals are flagged as well (between {low} and {high}).",
        share=percent(100 * calibration.forecast.expected),
        low=percent(100 * calibration.forecast.low),
        high=percent(100 * calibration.forecast.high),
    )
    if calibration.supported:
        return words
    return f"{words} {refusal(calibration)}"


def _filter_row(project, shown, judged, chosen, said) -> None:
    present = set(shown.scored.batches.tolist())
    batches = distinct(
        {
            batch.id: f"{moment(batch.created)} · {source_word(batch.source)}"
            for batch in reversed(project.batches("scored"))
            if batch.id in present
        }
    )
    counts = {name: int(np.sum(judged.verdicts == name)) for name in filters.VERDICTS}
    put(
        dn2_f_verdict=list(chosen.verdicts),
        dn2_f_share=(chosen.low, chosen.high),
        dn2_f_name=chosen.name,
        dn2_f_batch=chosen.batch if chosen.batch in batches else 0,
        dn2_f_label=list(chosen.labels),
    )
    labelled = bool(np.any(said != "")) or bool(chosen.labels)
    columns = st.columns([5, 4, 3, 4, 4][: 5 if labelled else 4], vertical_alignment="bottom", gap="medium")
    columns[0].pills(
        t("Verdict"),
        [name for name in filters.VERDICTS if counts[name] or name in chosen.verdicts],
        selection_mode="multi",
        format_func=lambda name: f"{ICONS[name]} {verdict(name).word} {number(counts[name])}",
        key="dn2_f_verdict",
        on_change=_filtered,
    )
    columns[1].slider(
        t("Percentile among the normals"),
        0.0,
        100.0,
        step=0.1,
        format="%.1f",
        key="dn2_f_share",
        on_change=_filtered,
    )
    columns[2].text_input(
        t("Name contains"),
        key="dn2_f_name",
        type="search",
        max_chars=200,
        placeholder="",
        on_change=_filtered,
    )
    columns[3].selectbox(
        t("Delivery"),
        [0, *reversed(batches)],
        format_func=lambda batch: batches.get(batch, t("All")),
        key="dn2_f_batch",
        on_change=_filtered,
    )
    if labelled:
        columns[4].multiselect(
            t("People said"),
            filters.LABELS,
            format_func=lambda name: label_word(name if name != "none" else ""),
            key="dn2_f_label",
            placeholder=t("All"),
            on_change=_filtered,
        )


def _filtered() -> None:
    state = st.session_state
    low, high = state["dn2_f_share"]
    filters.write(
        filters.Filters(
            verdicts=tuple(name for name in filters.VERDICTS if name in (state["dn2_f_verdict"] or ())),
            low=low,
            high=high,
            name=(state["dn2_f_name"] or "").strip(),
            labels=tuple(name for name in filters.LABELS if name in (state.get("dn2_f_label") or ())),
            capture=filters.read(st.query_params).capture,
            batch=state["dn2_f_batch"] or None,
        )
    )


def _pictures(project, shown, judged, chosen, positions, said, findings, alone, stamp) -> None:
    if len(positions) == 0:
        with st.container(horizontal=True, vertical_alignment="center", key="dn2_nothing"):
            st.markdown(t("No image passes these filters."), width="content")
            st.button(t("Show all"), key="dn2_show_all", on_click=filters.write, args=(filters.Filters(),))
        return
    if len(positions) < len(shown.scored):
        words = t(
            "{n} of {all} shown, most unusual first.",
            n=number(len(positions)),
            all=number(len(shown.scored)),
        )
    else:
        words = t(
            "Most unusual first. Under each: verdict, percentile among the normals, multiple of the usual spacing."
        )
    st.caption(md(f"{words} {order_words(judged.form)}"))
    key = repr((shown.generation, chosen, stamp, measured(project), language()))
    pictures = _cells(shown, judged, positions, said, findings, alone, key)
    browse(project, pictures, key="dn2_score_gallery", height=560 if len(positions) > 12 else 400)


@st.cache_resource(max_entries=8, show_spinner=False)
def _cells(_shown, _judged, _positions, _said, _findings, _alone, key: str):
    # Fifty thousand captions take a second to write.
    found = [_findings[at] for at in _positions.tolist()]
    pictures = cells(_shown, _judged, _positions, corner_marks(marks(_said[_positions]), found))
    return with_places(pictures, _alone[_positions])


def _download(project, shown, judged, positions, captures) -> None:
    # Built on the click; the name is plain ASCII, made of numbers.
    st.download_button(
        t("Download CSV"),
        data=lambda: results_of(project, shown, judged, captures, positions=positions, bom=True),
        file_name=f"dn2-results-v{shown.state.version}-k{judged.k}.csv",
        mime="text/csv",
        key="dn2_csv",
        icon=":material/download:",
        on_click="ignore",
        disabled=len(positions) == 0,
        help=t("The images shown below, with scores, verdicts and their nearest normals."),
    )


def _distribution(judged) -> None:
    if len(judged.normal_scores) > 1:
        st.markdown(f"##### {t('How unusual, beside the normals')}")
        st.plotly_chart(
            score_histogram(judged.normal_scores, judged.limit, judged.k, scored=judged.scores, height=260),
            theme=None,
            config=plot_config(),
            key="dn2_score_chart",
            alt=t("Histograms of the scores of normals and scored images, with the limit"),
        )


def _where_they_went(project) -> None:
    batches = [batch for batch in project.batches("scored") if batch.finished is not None]
    if not batches:
        return
    st.markdown(f"##### {t('Deliveries')}")
    deliveries(batches)
    accounting(project, batches, key="dn2_score_account")


score()
