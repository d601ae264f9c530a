"""What the labels say, in words, numbers, curves and a table that leads to the images."""

import streamlit as st

from pages.parts.evaluation_charts import limit_words, precision_recall_figure, roc_figure
from pages.parts.look import BADGES, ICONS, percent, plot_config, verdict
from pages.parts.text import number, t, tn

CELL = "cell"  # in the address: the cell of the table whose images are shown
ROWS, COLUMNS = ("good", "defect"), ("pass", "review", "reject")


def cell_of(params) -> tuple[str, str] | None:
    """(label, verdict) of the cell in the address; None where it names none."""
    label, _, word = params.get(CELL, "").partition("-")
    return (label, word) if label in ROWS and word in COLUMNS else None


def answer(found, limited: bool) -> None:
    """What becomes of the labelled images at the current limits."""
    if limited:
        st.markdown(f"#### {answer_words(found)}")
    else:
        st.markdown(t("One normal is too few for a limit, so nothing is judged yet. Add more normals."))


def numbers(found, limited: bool) -> None:
    """How well scores tell good parts from defects at any limit, and the shares at the current one."""
    top, bottom = st.columns(2, gap="small"), st.columns(2, gap="small")
    for column, label, estimate, why in (
        (top[0], t("ROC AUC"), found.roc_auc, t("How often a defect scores higher than a good part; 0.5 is chance.")),
        (
            top[1],
            t("Average precision"),
            found.average_precision,
            t("Share of defects among what is flagged, averaged over all limits; it depends on how many are defects."),
        ),
    ):
        with column:
            _metric(label, *(_area(part) for part in estimate or (None, None, None)), why)
    if not limited:
        return
    table = found.confusion
    for column, label, share, why in (
        (bottom[0], t("Defects missed"), table.escapes, t("Share of the known defects that pass.")),
        (bottom[1], t("Good parts flagged"), table.false_alarms, t("Share of the known good parts that do not pass.")),
    ):
        parts = (None if part is None else percent(100 * part) for part in (share.value, share.low, share.high))
        with column:
            _metric(label, *parts, why)


def answer_words(found) -> str:
    """What becomes of the labelled images at the current limits."""
    parts = []
    if found.defects:
        parts.append(
            tn(
                "{flagged} of {n} known defect flagged, {missed} missed",
                "{flagged} of {n} known defects flagged, {missed} missed",
                found.defects,
                flagged=number(found.defects - found.confusion.misses),
                missed=number(found.confusion.misses),
            )
        )
    if found.good:
        parts.append(
            tn(
                "{alarms} of {n} known good part flagged",
                "{alarms} of {n} known good parts flagged",
                found.good,
                alarms=number(found.confusion.false_alarms.count),
            )
        )
    return " · ".join(parts) or t("No label counts")


def left_out(found) -> None:
    """Which images are not in the answer, and why."""
    words = []
    if found.excluded:
        words.append(
            tn(
                "{n} labelled image also lies among the normals and is left out: it would find itself.",
                "{n} labelled images also lie among the normals and are left out: they would find themselves.",
                found.excluded,
            )
        )
    if found.unsure:
        words.append(
            tn(
                "{n} image is marked as unsure and does not count.",
                "{n} images are marked as unsure and do not count.",
                found.unsure,
            )
        )
    if found.unlabelled:
        words.append(
            tn("{n} scored image has no label.", "{n} scored images have no label.", found.unlabelled),
        )
    few = min(found.good, found.defects)
    if 0 < few < 10:
        words.append(t("With so few labels of a kind the intervals are narrower than they should be."))
    if words:
        st.caption(" ".join(words))


def charts(found, judged) -> None:
    """ROC and precision-recall curves with the limits in use; a sentence where a class is missing."""
    if found.roc is None:
        missing = t("a defect") if not found.defects else t("a good part")
        st.markdown(f"##### {t('ROC and precision-recall curves')}")
        st.markdown(
            t("Not defined: no image that counts is labelled as {missing}. Both kinds are needed.", missing=missing)
        )
        return
    table = found.confusion
    defects, good = table.counts[1], table.counts[0]
    limits = [(judged.limit, defects[1:].sum(), good[1:].sum())] if judged.limit == judged.limit else []
    if limits and judged.reject_limit != judged.limit:
        limits.append((judged.reject_limit, defects[2], good[2]))
    roc = [(alarms / found.good, hits / found.defects, limit_words(limit)) for limit, hits, alarms in limits]
    precise = [
        (hits / found.defects, hits / (hits + alarms) if hits + alarms else 1.0, limit_words(limit))
        for limit, hits, alarms in limits
    ]
    for column, title, figure, key, alt in zip(
        st.columns(2, gap="medium"),
        (t("ROC curve"), t("Precision and recall")),
        (roc_figure(found.roc, roc), precision_recall_figure(found.precision_recall, precise)),
        ("dn2_roc", "dn2_pr"),
        (
            t("Share of defects flagged against share of good parts flagged, with the limits in use"),
            t("Precision against recall, with the limits in use"),
        ),
        strict=True,
    ):
        with column:
            st.markdown(f"##### {title}")
            st.plotly_chart(figure, theme=None, config=plot_config(), key=key, alt=alt)


def confusion_table(found, limited: bool, chosen: tuple[str, str] | None) -> None:
    """Labels against verdicts; a cell shows its images below, a second click hides them."""
    st.markdown(
        f"##### {t('Labels against verdicts')}",
        help=t("A number leads to its images. Missed defects and false alarms are marked."),
    )
    if not limited:
        st.caption(t("Without a limit there are no verdicts."))
        return
    head = st.columns([4, 3, 3, 3], vertical_alignment="bottom")
    for column, name in zip(head[1:], COLUMNS, strict=True):
        column.badge(verdict(name).word, icon=ICONS[name], color=BADGES[name])
    words = {"good": t("good parts"), "defect": t("defects")}
    for row, label in enumerate(ROWS):
        of = int(found.confusion.counts[row].sum())
        columns = st.columns([4, 3, 3, 3], vertical_alignment="center")
        columns[0].markdown(f"**{words[label]}**  \n{number(of)}")
        for at, (column, name) in enumerate(zip(columns[1:], COLUMNS, strict=True)):
            count = int(found.confusion.counts[row, at])
            wrong = count and (name == "pass") == (label == "defect")
            column.button(
                f"**{number(count)}**" if not wrong else f":red[**{number(count)}**]",
                key=f"dn2_cell_{label}_{name}",
                icon=(":material/check:" if (label, name) == chosen else ":material/error:" if wrong else None),
                disabled=count == 0,
                width="stretch",
                help=_cell_words(label, name),
                on_click=_choose,
                args=(None if (label, name) == chosen else f"{label}-{name}",),
            )


def cell_head(chosen: tuple[str, str]) -> None:
    """Which images the gallery below holds, and the way back to misses and false alarms."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_cell_head"):
        st.markdown(f"##### {_cell_words(*chosen)}", width="content")
        st.button(
            t("Show misses and false alarms"),
            key="dn2_cell_close",
            type="tertiary",
            icon=":material/close:",
            on_click=_choose,
            args=(None,),
        )


def _cell_words(label: str, name: str) -> str:
    return {
        ("good", "pass"): t("Good parts that pass"),
        ("good", "review"): t("False alarms: good parts that are to be reviewed"),
        ("good", "reject"): t("False alarms: good parts that are rejected"),
        ("defect", "pass"): t("Missed: defects that pass"),
        ("defect", "review"): t("Defects that are to be reviewed"),
        ("defect", "reject"): t("Defects that are rejected"),
    }[label, name]


def _choose(cell: str | None) -> None:
    if cell is None:
        st.query_params.pop(CELL, None)
    else:
        st.query_params[CELL] = cell


def _metric(label: str, value: str | None, low: str | None, high: str | None, why: str) -> None:
    """A number with its 95 % interval under it."""
    st.metric(
        label,
        value if value is not None else t("not defined"),
        delta=None if value is None else t("{low} to {high}", low=low, high=high),
        delta_color="off",
        delta_arrow="off",
        border=True,
        help=f"{why} {t('Below it: the 95 % interval.')}",
    )


def _area(value: float | None) -> str | None:
    return None if value is None else number(value, 3)
