"""The top of a page: which project and state, the numbers, and what to do where nothing is yet."""

import logging
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from babel.dates import format_datetime

from dn2core.detect import form_of
from dn2core.errors import DN2Error
from dn2core.features.backbones import BACKBONES
from pages.parts.links import go
from pages.parts.look import one_in, raw
from pages.parts.service import asked_state, back_to_now
from pages.parts.text import language, md, number, sentence, t, tn

log = logging.getLogger("dn2.pages")


def project_header(project, snapshot=None) -> None:
    """One quiet line under the title: project, normals and their version, k, limit, backbone.

    A click on the line tells how it came about. Above it stands whether this is a state of the past.
    """
    _state_bar(snapshot)
    settings = snapshot.settings if snapshot is not None else project.settings()
    state = snapshot.state if snapshot is not None else project.state()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_header"):
        st.markdown(f"**{md(_short(project.name, 48))}**", width="content")
        if state is None:
            st.markdown(md(t("no normals yet")), width="content")
            return
        judged = snapshot.judge() if snapshot is not None else None
        line = " · ".join(md(part) for part in _line(settings, state, judged))
        with st.popover(line, type="tertiary", key="dn2_came_about", help=t("How it came about")):
            _came_about(settings, state, judged, snapshot)


def _state_bar(snapshot) -> None:
    """Which state of the past this is, with the way back; or why the one that the address asks for is not shown."""
    asked = asked_state()
    if asked is None:
        return
    refused = asked.error is not None
    if refused:
        words = t("That state cannot be opened; this is the present one. {reason}", reason=sentence(asked.error))
        mark = ":material/error:"
    elif snapshot is None:
        return
    else:
        judged = snapshot.judge()
        words = t(
            "You look at the state of {moment} (normals version {version}, k = {k}, limit {limit}).",
            moment=moment(asked.entry.at),
            version=number(snapshot.state.version),
            k=number(judged.k),
            limit=raw(judged.limit),
        )
        mark = f":orange-badge[:material/history: {t('read-only')}]"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="dn2_state_bar"):
        st.markdown(f"{mark} {md(words)}", width="stretch")
        st.button(
            t("Close") if refused else t("Back to now"),
            key="dn2_back_to_now",
            icon=":material/close:" if refused else ":material/update:",
            on_click=back_to_now,
        )


def _line(settings, state, judged) -> list[str]:
    normals = tn("{n} normal", "{n} normals", state.n)
    parts = [
        t("{normals}, version {version}", normals=normals, version=number(state.version)),
        t("k = {k}", k=number(judged.k if judged is not None else settings.k)),
    ]
    if judged is not None:
        parts.append(t("limit {value}", value=raw(judged.limit)))
    return [*parts, backbone_title(state.backbone)]


def backbone_title(name: str) -> str:
    """The name of a backbone as people write it."""
    return BACKBONES[name].title if name in BACKBONES else name


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _came_about(settings, state, judged, snapshot) -> None:
    length = t("unit-length features") if settings.normalise else t("raw features")
    lines = [
        t("Version {version}: {reason}", version=number(state.version), reason=md(state.reason)),
        t("Made {moment}", moment=md(moment(state.created))),
        t(
            "Features: {backbone}, preset {preset}, {length}, fingerprint {fingerprint}",
            backbone=md(backbone_title(state.backbone)),
            preset=md(state.preset),
            length=length,
            fingerprint=md(str(state.fingerprint)[:12]),
        ),
        t("Score: {formula}, k = {k}", formula=md(form_of(settings.form).formula), k=number(settings.k)),
        t("Limit: at most {budget} good parts may be flagged", budget=one_in(settings.budget)),
    ]
    if settings.reject_budget is not None:
        lines.append(
            t("Rejected outright: at most {budget}, the rest is for review", budget=one_in(settings.reject_budget))
        )
    if judged is not None and judged.calibrated_on:
        rests = {
            "leave_one_out": t("The limit rests on each normal compared with the others"),
            "lots": t("The limit rests on each normal compared with those of other lots"),
            "held_out": t("The limit rests on held-out normals"),
        }
        lines.append(rests[judged.calibrated_on])
    if snapshot is not None and snapshot.reduced:
        lines.append(
            t(
                "Compared with {n} of these normals; {checks} are set aside to check the limit",
                n=number(len(snapshot.normals)),
                checks=number(len(snapshot.checks)),
            )
        )
    if snapshot is not None and snapshot.bank.recall is not None:
        lines.append(recall_words(snapshot.bank.recall))
    if judged is not None and not judged.reliable:
        lines.append(tn("Unreliable: only {n} normal", "Unreliable: only {n} normals", state.n))
    st.markdown("\n".join(f"- {line}" for line in lines))


def recall_words(recall) -> str:
    """How much an approximate search finds."""
    return t(
        "So many normals are searched approximately: of 100 true neighbours {found} are found (measured on {n} of "
        "the normals), and the distances of what is found are exact.",
        found=number(100 * min(recall.share, 0.999 if recall.share < 1 else 1), 1),
        n=number(recall.sample),
    )


def moment(value) -> str:
    """A point in time (aware datetime, ISO text or POSIX seconds) in the reader's zone and language."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, int | float):
        value = datetime.fromtimestamp(value, UTC)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    zone = time_zone()
    try:
        return format_datetime(value.astimezone(zone), "d MMM y, HH:mm", locale=language())
    except Exception:  # a language that Babel has no calendar for
        return format_datetime(value.astimezone(zone), "d MMM y, HH:mm", locale="en")


def time_zone() -> tzinfo:
    """The reader's zone, as the browser tells it; UTC where it does not."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def empty_state(
    title: str,
    text: str,
    label: str | None = None,
    page: str | None = None,
    *,
    icon: str = ":material/photo_library:",
) -> None:
    """Nothing here yet: what to do next, and the one button (to a page by its name) that does it."""
    with st.container(border=True, horizontal_alignment="center", gap="small", key="dn2_empty"):
        st.space("small")
        st.markdown(f"#### {icon} {title}", width="content")
        st.markdown(text, width="content")
        if label and page and st.button(label, type="primary", icon=":material/arrow_forward:", key="dn2_empty_go"):
            go(page)
        st.space("small")


def need_project(project) -> None:
    """Stop the page with what to do next where the address names no project."""
    if project is not None:
        return
    empty_state(
        t("This project is not there (any more)") if "project" in st.query_params else t("No project is open"),
        t("Choose a project on the Home page, or open the demo there."),
        t("Go to Home"),
        "home",
    )
    st.stop()


def few_normals(judged) -> None:
    """A warning where the limit rests on too few scores of good parts; nothing where there is no limit at all."""
    if judged.reliable or judged.limit != judged.limit:
        return
    st.warning(
        tn(
            "The limit rests on {n} good part only and is unreliable. 50 or more are a good start.",
            "The limit rests on {n} good parts only and is unreliable. 50 or more are a good start.",
            len(judged.reference_scores),
        ),
        icon=":material/info:",
    )


def number_row(numbers: list[tuple]) -> None:
    """The row of numbers at the top: (label, value) or (label, value, help)."""
    with st.container(horizontal=True, gap="small"):
        for label, value, *more in numbers:
            st.metric(label, value, border=True, help=more[0] if more else None)


def problem(error: DN2Error | str, params: dict | None = None) -> None:
    """An error as a sentence on the page."""
    st.error(md(sentence(error, params)), icon=":material/error:")


@contextmanager
def sentences():
    """Errors inside become a sentence on the page; what nobody expected is logged under a number."""
    try:
        yield
    except DN2Error as error:
        problem(error)
    except Exception as error:
        unforeseen(error)


def unforeseen(error: Exception) -> bool:
    """What nobody expected: a sentence with a number on the page, the rest under it in the log; returns True."""
    mark = secrets.token_hex(4)
    log.error("page failed, shown as %s", mark, exc_info=error)
    st.error(
        t("Something unexpected happened. The log of the server has the details under {mark}.", mark=mark),
        icon=":material/error:",
    )
    return True
