"""The list of lots: verdict, how unusual, and the worst image of each; a click opens one."""

import base64
import io

import pandas as pd
import streamlit as st
from PIL import Image, UnidentifiedImageError

from dn2core.project.lot_verdicts import Lot, LotVerdicts
from pages.parts.accounting import cell
from pages.parts.header import moment
from pages.parts.lot_choice import clickable, open_lot
from pages.parts.lot_words import short
from pages.parts.text import t

KEY = "dn2_lot_list"
PICTURED = 200  # lots with a picture beside them; beyond, the table would take long to send
_LISTED = "dn2_lots_listed"  # names of the lots as the list that was clicked shows them
_SIDE = 72  # pixels of such a picture
_ROW = 48


def list_order(found: LotVerdicts, worst_first: bool) -> list[int]:
    """Positions of the lots as the list shows them: in their order, or the farthest beyond their limit first."""
    order = list(range(len(found.lots)))
    if not worst_first:
        return order
    return sorted(order, key=lambda at: (not found.lots[at].judged, -_rank(found.lots[at])))


def lot_list(project, shown, found: LotVerdicts, order: list[int]) -> None:
    """Draw the lots in this order."""
    lots = [found.lots[at] for at in order]
    worst = [int(shown.scored.ids[lot.worst]) for lot in lots[:PICTURED]]
    pictures = _pictures(project, project.id, tuple(worst))
    table = lot_table(lots, pictures)
    st.dataframe(
        table,
        hide_index=True,
        row_height=_ROW,
        height=38 + _ROW * min(max(1, len(lots)), 9),
        column_config={
            t("Worst"): st.column_config.ImageColumn(width=64, help=t("The image that is most unusual by itself.")),
            t("Less unusual"): st.column_config.NumberColumn(
                format="%.1f %%", help=t("Share of good groups of this size that are less unusual.")
            ),
            t("How far"): st.column_config.NumberColumn(
                format="%.2f x",
                help=t("How far the lot lies from the normals, as a multiple of how far its limit lies."),
            ),
            t("Flagged images"): st.column_config.NumberColumn(
                help=t("Images of the lot that are flagged by themselves.")
            ),
        },
        on_select=_clicked,
        selection_mode="single-cell",
        key=clickable(KEY),
        placeholder="–",
        alt=t("Lots with their verdicts"),
    )
    st.session_state[_LISTED] = [lot.name for lot in lots]


def lot_table(lots: list[Lot], pictures: list[str | None]) -> pd.DataFrame:
    """One row a lot; `pictures` are addresses for the first of them."""
    pictures = [*pictures, *[None] * (len(lots) - len(pictures))]
    return pd.DataFrame(
        {
            t("Worst"): pictures,
            t("Lot"): [cell(short(lot.name)) for lot in lots],
            t("Verdict"): [sign(lot) for lot in lots],
            t("Less unusual"): [_percentile(lot) for lot in lots],
            t("How far"): [None if lot.times_limit != lot.times_limit else lot.times_limit for lot in lots],
            t("Images"): [lot.size for lot in lots],
            t("Flagged images"): [lot.flagged_images for lot in lots],
            t("Came"): [moment(lot.arrived) for lot in lots],
        }
    )


def sign(lot: Lot) -> str:
    """The verdict as a sign and a word; a table draws no icons."""
    if not lot.judged:
        return f"– {t('not judged')}"
    return f"▲ {t('flagged')}" if lot.flagged else f"✓ {t('pass')}"


def _percentile(lot: Lot) -> float | None:
    """Never rounded up to a full 100."""
    if not lot.judged:
        return None
    return lot.percentile if lot.percentile >= 100 else min(lot.percentile, 99.9)


def _rank(lot: Lot) -> float:
    far = lot.times_limit
    return far if far == far else 0.0


def _clicked() -> None:
    names = st.session_state.get(_LISTED, [])
    cells = st.session_state[clickable(KEY)].selection.cells
    if cells and 0 <= cells[0][0] < len(names):
        open_lot(names[cells[0][0]])


@st.cache_resource(max_entries=8, show_spinner=False)
def _pictures(_project, project_id: str, item_ids: tuple[int, ...]) -> list[str | None]:
    """Small pictures of items as data addresses; None for one that is lost."""
    return [_small(data) for data in _project.thumbnails(list(item_ids))] if item_ids else []


def _small(data: bytes) -> str | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.thumbnail((_SIDE, _SIDE))
            out = io.BytesIO()
            image.convert("RGB").save(out, "JPEG", quality=80)
    except (UnidentifiedImageError, OSError):
        return None
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
