"""Where every given file went: accepted, duplicate or rejected with the reason; they add up."""

import pandas as pd
import streamlit as st

from pages.parts.header import moment, number_row
from pages.parts.text import distinct, md, number, sentence, show, t, tn

SHOWN = 50  # deliveries that a page offers, the newest ones


def batch_words(batch) -> str:
    """One batch in one line, plain text: when, from where, and the three counts."""
    return t(
        "{moment} · {source} · {given} given: {accepted} accepted, {duplicate} duplicate, {rejected} rejected",
        moment=moment(batch.created),
        source=source_word(batch.source),
        given=number(batch.given),
        accepted=number(batch.accepted),
        duplicate=number(batch.duplicate),
        rejected=number(batch.rejected),
    )


def last_delivery(batches: list) -> None:
    """What became of the newest finished delivery, in one line."""
    finished = [batch for batch in batches if batch.finished is not None]
    if finished:
        st.caption(md(t("Last delivery: {words}", words=batch_words(finished[0]))))


def source_word(source: str) -> str:
    """Where a batch came from, as people say it; an unknown source is shown as it is."""
    words = {
        "files": t("files"),
        "folder": t("folder from the browser"),
        "zip": t("ZIP archive"),
        "server": t("folder on the server"),
        "camera": t("camera"),
        "demo": t("demo"),
    }
    return words.get(source, show(source))


def accounting(project, batches: list, *, key: str) -> None:
    """The counts of one of these batches (finished ones), chosen by the reader, and a table of its refused files."""
    batches = [batch for batch in batches if batch.finished is not None]
    if not batches:
        return
    newest_first = sorted(batches, key=lambda batch: batch.id, reverse=True)[:SHOWN]
    by_id = {batch.id: batch for batch in newest_first}
    chosen = newest_first[0].id
    if len(newest_first) > 1:
        chosen = st.selectbox(
            t("Delivery"),
            list(by_id),
            format_func=distinct({batch.id: batch_words(batch) for batch in reversed(newest_first)}).get,
            key=f"{key}_batch_{project.id}_{newest_first[0].id}",
        )
    batch = by_id[chosen]
    number_row(
        [
            (t("Given"), number(batch.given)),
            (t("Accepted"), number(batch.accepted)),
            (t("Duplicate"), number(batch.duplicate), t("Same content as an image that is already there.")),
            (t("Rejected"), number(batch.rejected)),
        ]
    )
    if not batch.rejected and not batch.duplicate:
        st.caption(t("Every file was accepted."))
        return
    wanted = st.segmented_control(
        t("Show"),
        ["rejected", "duplicate", "accepted"],
        default="rejected" if batch.rejected else "duplicate",
        format_func=lambda status: _status_words(status, batch),
        key=f"{key}_status_{project.id}_{batch.id}",
        required=True,
        label_visibility="collapsed",
    )
    if wanted:
        table = outcome_table(project.outcomes(batch.id, wanted))
        st.dataframe(
            table,
            hide_index=True,
            row_height=52,  # two lines: the second half of a reason says what to do
            height=min(38 + 52 * len(table), 420) if len(table) else "auto",
            key=f"{key}_table",
            alt=t("Files of the delivery with what became of them"),
        )


def outcome_table(outcomes: list) -> pd.DataFrame:
    """One row a file: its name as given and the reason in a sentence."""
    return pd.DataFrame(
        {
            t("File"): [cell(outcome.name) for outcome in outcomes],
            t("Reason"): [reason(outcome) for outcome in outcomes],
        }
    )


def cell(name: str) -> str:
    """A name for a table, which the reader may save as CSV: a spreadsheet must not take it for a formula."""
    text = show(name)
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text


def reason(outcome) -> str:
    """Why a file ended as it did, as plain text."""
    return sentence(outcome.code, outcome.params) if outcome.code else t("Accepted.")


def _status_words(status: str, batch) -> str:
    n = getattr(batch, status)
    if status == "rejected":
        return tn("{n} rejected", "{n} rejected", n)
    if status == "duplicate":
        return tn("{n} duplicate", "{n} duplicates", n)
    return tn("{n} accepted", "{n} accepted", n)
