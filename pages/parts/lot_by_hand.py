"""Lots by hand: images are found by name or delivery, chosen in a table, and given a lot's name."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from dn2core.project.lot_verdicts import all_normals
from dn2core.project.lots import LOT_LENGTH, put_in_lot
from pages.parts.accounting import cell, source_word
from pages.parts.header import moment
from pages.parts.text import distinct, md, number, t, tn

LISTED = 500  # images that the table offers at once; a filter reaches the others
TURN = "dn2_hand_turn"  # counts what was done: a table under a new key has nothing chosen


def by_hand(project, shown, do: Callable) -> None:
    """Draw the filters, the table and the name.

    Args:
        do: called with (project, words, change) when a lot is named, `change` taking the project and the author.
    """
    images = image_table(shown)
    part, batch = _filters(project, images)
    rows = matching(images, part, batch)
    if len(rows) == 0:
        st.markdown(t("No image passes these filters."))
        return
    listed = images.iloc[rows[:LISTED]]
    turn = st.session_state.setdefault(TURN, 0)
    # The chosen rows are counted from the top, so other rows need a key of their own.
    chosen = st.dataframe(
        listed[[t("Image"), t("Is"), t("Lot")]],
        hide_index=True,
        height=38 + 35 * min(len(listed), 8),
        on_select="rerun",
        selection_mode="multi-row",
        key=f"dn2_hand_{turn}_{hash((part, batch, shown.generation))}",
        alt=t("Images to choose for a lot"),
    ).selection.rows
    if len(rows) > LISTED:
        st.caption(t("The first {n} of {all}; a filter finds the others.", n=number(LISTED), all=number(len(rows))))
    ids = listed["id"].iloc[[row for row in chosen if row < len(listed)]].tolist()
    _name_them(project, ids, do)


def image_table(shown) -> pd.DataFrame:
    """One row an image in use: what the table shows, and its id and delivery."""
    sets = ((all_normals(shown), t("normal")), (shown.held, t("held out")), (shown.scored, t("scored")))
    return pd.DataFrame(
        {
            t("Image"): [cell(name) for items, _ in sets for name in items.names],
            t("Is"): [word for items, word in sets for _ in items.names],
            t("Lot"): [cell(lot or "") for items, _ in sets for lot in items.lots],
            "id": np.concatenate([items.ids for items, _ in sets]),
            "batch": np.concatenate([items.batches for items, _ in sets]),
            "name": [name for items, _ in sets for name in items.names],
        }
    )


def matching(images: pd.DataFrame, part: str, batch: int) -> np.ndarray:
    """Rows whose name contains the part, whatever its case, and which came with the delivery; 0 is any."""
    keep = np.fromiter((part.casefold() in name.casefold() for name in images["name"]), bool, len(images))
    return np.flatnonzero(keep & (images["batch"] == batch)) if batch else np.flatnonzero(keep)


def _filters(project, images: pd.DataFrame) -> tuple[str, int]:
    present = set(images["batch"].tolist())
    batches = distinct(
        {
            batch.id: f"{moment(batch.created)} · {source_word(batch.source)}"
            for batch in project.batches()
            if batch.id in present
        }
    )
    left, right = st.columns(2, gap="medium")
    part = left.text_input(t("Name contains"), key="dn2_hand_name", type="search", max_chars=200, placeholder="")
    batch = right.selectbox(
        t("Delivery"), [0, *batches], format_func=lambda batch: batches.get(batch, t("All")), key="dn2_hand_batch"
    )
    return part.strip(), batch or 0


def _name_them(project, ids: list[int], do: Callable) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="dn2_hand_row"):
        lot = st.text_input(t("Name of the lot"), key="dn2_hand_lot", max_chars=LOT_LENGTH, width=280).strip()
        st.button(
            tn("Put {n} image into this lot", "Put {n} images into this lot", len(ids)),
            key="dn2_hand_go",
            icon=":material/check:",
            disabled=not (ids and lot),
            on_click=_put,
            args=(project, ids, lot, do),
        )
        st.button(
            t("Take out of their lot"),
            key="dn2_hand_out",
            icon=":material/layers_clear:",
            type="tertiary",
            disabled=not ids,
            on_click=_put,
            args=(project, ids, None, do),
        )
    if not ids:
        st.caption(t("Choose images in the table; the box at its top takes all that are listed."))


def _put(project, ids: list[int], lot: str | None, do: Callable) -> None:
    st.session_state[TURN] += 1
    words = (
        tn("{n} image is in the lot {lot}.", "{n} images are in the lot {lot}.", len(ids), lot=md(lot))
        if lot
        else tn("{n} image is in no lot now.", "{n} images are in no lot now.", len(ids))
    )
    do(project, words, lambda project, author: put_in_lot(project, ids, lot, author=author))
