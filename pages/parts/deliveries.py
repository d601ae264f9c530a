"""The deliveries of scored images, each with the version of the normals that it was judged by."""

from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from pages.parts.accounting import SHOWN, source_word
from pages.parts.header import moment
from pages.parts.links import carried
from pages.parts.look import raw
from pages.parts.service import STATE
from pages.parts.text import number, t


def deliveries(batches: list) -> None:
    """A table, newest first: when, from where, how many were flagged then, and by which normals."""
    table = delivery_table(batches[:SHOWN])
    st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 35 * len(table), 250),
        column_config={
            t("State"): st.column_config.LinkColumn(
                display_text=t("Open"),
                width="small",
                help=t("All as it was judged when the delivery came, read-only, in a new tab."),
            )
        },
        key="dn2_deliveries",
        alt=t("Deliveries with the version of the normals that judged them"),
    )
    if len(batches) > SHOWN:
        st.caption(t("The newest {n} of {all}.", n=number(SHOWN), all=number(len(batches))))
    st.caption(
        t(
            "The table keeps what was found when each delivery came. "
            "Everything above is judged anew whenever normals, k or features change."
        )
    )


def delivery_table(batches: list) -> pd.DataFrame:
    """One row a delivery; what was never judged stays empty."""
    judged = [batch.judged or {} for batch in batches]
    return pd.DataFrame(
        {
            t("Came"): [moment(batch.created) for batch in batches],
            t("From"): [source_word(batch.source) for batch in batches],
            t("Images"): [number(batch.given) for batch in batches],
            t("Flagged then"): [_flagged(one) for one in judged],
            t("Judged by"): [_judge(one) for one in judged],
            "k": [str(one.get("k", "")) for one in judged],
            t("Limit"): [raw(one["limit"]) if one.get("limit") is not None else "–" for one in judged],
            t("State"): [state_url(one["event"]) if "event" in one else None for one in judged],
        }
    )


def state_url(event_id: int) -> str:
    """Where the Score page shows the state that an entry of the history left."""
    return "score?" + urlencode(carried(**{STATE: event_id}))


def _flagged(judged: dict) -> str:
    if not judged or not judged["scored"] or judged["flagged"] is None:
        return "–"
    return t("{flagged} of {n}", flagged=number(judged["flagged"]), n=number(judged["scored"]))


def _judge(judged: dict) -> str:
    if not judged:
        return t("not judged")
    return t("normals version {version} ({n})", version=number(judged["version"]), n=number(judged["normals"]))
