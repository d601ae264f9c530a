"""The report as a download: one HTML file for people who were not there."""

from dataclasses import replace
from datetime import datetime

import streamlit as st
from babel.core import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol

from dn2core.project.reporting import history_entry, report_of
from dn2core.report import report_html
from dn2core.report.html import ENGLISH, Words
from pages.parts import text
from pages.parts.components.who import author
from pages.parts.header import time_zone
from pages.parts.history_words import SAY
from pages.parts.text import language, speaking, t


def report_button(project, shown, judged) -> None:
    """Offer the report of a snapshot; it is made on the click, with the CSV of all images beside it on the page."""
    who, zone, name = author(), time_zone(), language()  # asked now: the file is made where there is no reader to ask
    past = history_entry(shown)
    state = f"v{shown.state.version}-k{judged.k}" + (f"-state{past}" if past is not None else "")
    st.download_button(
        t("Report"),
        data=lambda: made(project, shown, judged, who, datetime.now(zone), name),
        file_name=f"dn2-report-{state}.html",
        mime="text/html",
        key="dn2_report",
        icon=":material/summarize:",
        on_click="ignore",
        help=t("One file that opens without a network and prints: flagged images, limits, history, the map."),
    )


def made(project, shown, judged, who: str, when: datetime, name: str) -> bytes:
    """The report as HTML, in a language by its name."""
    with speaking(name):
        texts = report_texts()
        words = Words(texts, when)  # so that sentences write numbers as the rest of the report does
        say = replace(SAY, number=words.number, raw=words.raw, percent=words.percent)
        return report_html(report_of(project, shown, judged, author=who, when=when, say=say), texts)


def report_texts() -> dict[str, str]:
    """The fixed words of a report in the reader's language."""
    translated = text.t  # their ids stand in a table
    name = language()
    return {
        **{key: translated(words) for key, words in ENGLISH.items()},
        "lang": name.replace("_", "-"),
        "dir": Locale.parse(name).text_direction,
        "decimal": get_decimal_symbol(name),
        "thousands": get_group_symbol(name),
    }
