"""What is unusual about how pictures were taken, once for all pages; and the line of it beside an opened picture."""

import streamlit as st

from dn2core.detect.capture import Finding
from dn2core.project.captures import Captures, captures, measured
from pages.parts.capture_words import ICON, numbers, told, why
from pages.parts.text import md, t


def taken(project, shown) -> Captures:
    """How the images of a snapshot were taken, kept until images come in or are measured."""
    settings = shown.settings  # of which only the reduction has a say
    key = [part for part in shown.generation if part != settings]
    return _captures(project, shown, repr((key, settings.reduction, measured(project))))


@st.cache_resource(max_entries=6, show_spinner=t("Comparing how pictures were taken"))
def _captures(_project, _shown, key: str) -> Captures:
    return captures(_project, _shown)


def findings_of(project, shown, item_id: int) -> tuple[Finding, ...]:
    """Of a scored image or a normal, the gravest first; none for any other image."""
    found = taken(project, shown)
    for items, findings in ((shown.scored, found.scored), (shown.normals.and_then(shown.apart), found.normals)):
        position = items.position(item_id)
        if position is not None:
            return findings[position]
    return ()


def capture_note(project, shown, item_id: int) -> None:
    """One line above the verdict where the picture itself may be at fault; nothing otherwise."""
    findings = findings_of(project, shown, item_id)
    if not findings:
        return
    lines = [f"- {md(numbers(finding))}" for finding in findings]
    st.markdown(f"{ICON} **{md(told(findings))}**", help="\n".join([*lines, "", md(why())]))
