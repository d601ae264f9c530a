"""A lot opened: why it was judged so, its images by what they bring to that, its place among good groups."""

import numpy as np
import streamlit as st

from dn2core.project.lot_verdicts import Lot, LotVerdicts
from pages.parts.browse import browse
from pages.parts.header import moment, number_row
from pages.parts.look import BADGES, ICONS, percent, plot_config
from pages.parts.lot_charts import lot_among_groups
from pages.parts.lot_choice import close_lot, open_lot
from pages.parts.lot_words import remarks, short, verdict_of, why
from pages.parts.opened import show_image
from pages.parts.place_alone import flagged_by_place
from pages.parts.results import cells, with_places
from pages.parts.text import md, number, show, t


def opened_lot(project, shown, images, found: LotVerdicts, at: int, order: list[int]) -> None:
    """Draw a lot in place of the list.

    Args:
        images: the scored images judged one by one.
        at: the lot's position in `found.lots`.
        order: positions as the list shows them; previous and next walk along it.
    """
    lot = found.lots[at]
    _way(found, at, order)
    left, right = st.columns([7, 5], gap="medium")
    with right:
        _verdict(lot, found)
        _worst(shown, images, lot)
        _place(lot)
    with left:
        st.markdown(
            f"##### {t('Images that drove it first')}",
            help=t(
                "On each: the share of the lot's score that it brings. Under each: its verdict by itself, its "
                "percentile among the normals, its multiple of the usual spacing."
            ),
        )
        alone = flagged_by_place(project, shown, images)[lot.drivers]
        pictures = with_places(cells(shown, images, lot.drivers, marks=drive_marks(lot)), alone)
        browse(project, pictures, key="dn2_lot_gallery", height=660 if lot.size > 6 else 440)


def drive_marks(lot: Lot) -> list[str]:
    """What each of the drivers brings, in percent, and which is the worst image by itself."""
    shares = [percent(100 * float(share), 0) for share in lot.shares]
    return [
        t("{share}, worst", share=share) if position == lot.worst and lot.size > 1 else share
        for position, share in zip(lot.drivers.tolist(), shares, strict=True)
    ]


def _way(found: LotVerdicts, at: int, order: list[int]) -> None:
    lot, place = found.lots[at], order.index(at)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_lot_way"):
        st.button(t("Back"), key="dn2_lot_back", icon=":material/arrow_back:", shortcut="Esc", on_click=close_lot)
        st.markdown(f"**{md(short(lot.name, 60))}**", width="stretch")
        st.caption(md(t("lot {position} of {n}", position=number(place + 1), n=number(len(order)))), width="content")
        for key, label, icon, step, shortcut in (
            ("dn2_lot_previous", t("Previous"), ":material/chevron_left:", -1, "Left"),
            ("dn2_lot_next", t("Next"), ":material/chevron_right:", 1, "Right"),
        ):
            there = 0 <= place + step < len(order)
            st.button(
                label,
                key=key,
                icon=icon,
                shortcut=shortcut,
                disabled=not there,
                on_click=open_lot,
                args=(found.lots[order[place + step]].name if there else lot.name,),
            )


def _verdict(lot: Lot, found: LotVerdicts) -> None:
    name = verdict_of(lot)
    words = {"reject": t("flagged"), "pass": t("pass"), "plain": t("not judged")}
    st.badge(words[name], icon=ICONS[name], color=BADGES[name])
    st.markdown(md(f"{why(lot, found.method, found.budget)}"))
    for words in remarks(lot, found.method):
        st.caption(md(words))
    number_row(
        [
            (
                t("Percentile"),
                percent(lot.percentile),
                t("Share of good groups of this size that are less unusual."),
            ),
            (
                t("Chance"),
                percent(100 * lot.p_value) if lot.judged else "–",
                t("How often a good lot of this size would be as unusual or more (p-value)."),
            ),
            (t("How far"), _far(lot), t("As a multiple of how far the limit of this lot lies.")),
        ]
    )
    st.caption(md(t("Came {moment}", moment=moment(lot.arrived))))


def _far(lot: Lot) -> str:
    far = lot.times_limit
    return t("{value} x", value=number(far, 2 if far < 10 else 1)) if far == far else "–"


def _worst(shown, images, lot: Lot) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_lot_worst_row"):
        st.markdown(
            t(
                "Most unusual by itself: {name} ({share})",
                name=md(_end(show(shown.scored.names[lot.worst]))),
                share=md(percent(float(np.asarray(images.percentiles)[lot.worst]))),
            ),
            width="content",
        )
        if st.button(t("Look at it"), key="dn2_lot_worst", icon=":material/zoom_in:", type="tertiary"):
            show_image(int(shown.scored.ids[lot.worst]))


def _place(lot: Lot) -> None:
    if not lot.times_limit == lot.times_limit or len(lot.calibration_scores) < 2:
        return
    st.plotly_chart(
        lot_among_groups(lot),
        theme=None,
        config=plot_config(),
        key="dn2_lot_place",
        alt=t("How far this lot lies on the histogram of good groups, with the limit"),
    )


def _end(text: str, length: int = 40) -> str:
    return text if len(text) <= length else "…" + text[-(length - 1) :]
