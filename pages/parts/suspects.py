"""The strangers among the normals: how many there seem to be, which they are, and what dropping them does."""

import numpy as np
import streamlit as st

from dn2core.detect import FEW_NORMALS
from dn2core.project.cleaning import APART, AUTOMATIC, HALF, OWN
from pages.parts.browse import browse
from pages.parts.clean_apply import apply_row
from pages.parts.clean_charts import before_after
from pages.parts.clean_decide import decision_keys, fates
from pages.parts.clean_draft import MOST, change
from pages.parts.clean_effect import effect
from pages.parts.clean_trial import HANDFUL, foreseen, names_of
from pages.parts.clean_words import share_words, standing_out, why_words
from pages.parts.header import problem
from pages.parts.look import plot_config, raw, times
from pages.parts.results import Cells, many_times
from pages.parts.service import past
from pages.parts.text import number, t, tn
from pages.parts.widgets import put


def suspects_view(project, shown, draft, cleaning, planned) -> None:
    """The answer, the share with the histogram beside it, the suspects, and what dropping them does."""
    if cleaning is None:
        st.markdown(f"#### {t('Too few normals to tell strangers from good parts')}")
        st.caption(
            t(
                "With {n} normals nothing says what is usual. Give {enough} or more; {few} at least.",
                n=number(len(shown.normals)),
                enough=number(FEW_NORMALS),
                few=number(HANDFUL),
            )
        )
        return
    found, refused = foreseen(project, shown, planned)
    _answer(cleaning, planned, found, shown)
    if not cleaning.scores.any():
        st.caption(t("To the network all normals are the same image, so none can be farther away than the others."))
        return
    _how(project, draft)
    left, right = st.columns(2, gap="large")
    with left:
        _share(project, draft, cleaning)
        apply_row(project, shown, draft, planned, found, refused)
    with right:
        if found is not None:
            _histogram(found)
    if refused is not None:
        problem(refused)
    _gallery(project, shown, draft, cleaning, planned)
    if found is not None:
        effect(project, shown, planned, found)


def ranked(shown, cleaning) -> list[int]:
    """Item ids of the normals, the most suspicious first, whatever becomes of them: nothing moves."""
    return shown.normals.ids[cleaning.order].tolist()


def _answer(cleaning, planned, found, shown) -> None:
    n, leaves = len(planned.leaves), int(planned.leaves.sum())
    parts = [standing_out(cleaning)]
    if leaves and found is None:
        parts.append(tn("dropping {n}", "dropping {n}", leaves))
    elif leaves:
        parts.append(_changes(leaves, found, len(shown.scored)))
        before, after = raw(found.before.limit), raw(found.after.limit)
        parts.append(
            t("limit {limit}", limit=after)
            if before == after
            else t("limit {after} instead of {before}", after=after, before=before)
        )
    st.markdown(f"#### {t('Are strangers among the normals?')} {' · '.join(parts)}")
    if n < FEW_NORMALS:
        st.warning(
            t("With {n} normals this is a guess: what is usual shows with 20 or more.", n=number(n)),
            icon=":material/info:",
        )


def _changes(leaves: int, found, scored: int) -> str:
    if not scored:
        return tn("dropping {n}", "dropping {n}", leaves)
    if not found.changed:
        return tn("dropping {n} changes no verdict", "dropping {n} changes no verdict", leaves)
    return tn(
        "dropping {leaves} changes {n} verdict",
        "dropping {leaves} changes {n} verdicts",
        found.changed,
        leaves=number(leaves),
    )


def _how(project, draft) -> None:
    words = {
        APART: t("Those apart"),
        AUTOMATIC: t("And the fringe"),
        HALF: t("The paper's half"),
        OWN: t("Own share"),
    }
    put(dn2_clean_how=draft.how)
    st.segmented_control(
        t("How many to drop"),
        list(words),
        format_func=words.get,
        key="dn2_clean_how",
        required=True,
        on_change=lambda: change(project, how=st.session_state["dn2_clean_how"] or APART),
    )


def _share(project, draft, cleaning) -> None:
    if draft.how == OWN:
        put(dn2_clean_percent=draft.percent)
        st.slider(
            t("Share of the normals, in percent"),
            0,
            MOST,
            key="dn2_clean_percent",
            format="%d %%",
            on_change=lambda: change(project, percent=st.session_state["dn2_clean_percent"]),
        )
    st.caption(share_words(draft, cleaning))
    with st.popover(t("Why?"), type="tertiary", icon=":material/help:", key="dn2_clean_why"):
        st.markdown("\n\n".join(why_words(cleaning)))


def _histogram(found) -> None:
    before, after = found.before, found.after
    st.plotly_chart(
        before_after(before.normal_scores, after.normal_scores, (before.limit, after.limit), after.k),
        theme=None,
        config=plot_config(),
        key="dn2_clean_chart",
        alt=t("Histogram of the normals' scores before and after dropping, with both limits"),
    )


def _gallery(project, shown, draft, cleaning, planned) -> None:
    st.markdown(
        f"##### {t('Most suspicious first')}",
        help=t(
            "Under each: its distance to many other normals as a multiple of the usual spacing. A click or Enter "
            "opens a picture with its nearest normals."
        ),
    )
    if not past():
        st.caption(
            t("Arrow keys move, **D** drops (no good part), **K** keeps (a good part), Enter opens. Your word counts.")
        )
    n = len(planned.leaves)
    browse(
        project,
        suspect_cells(shown, draft, cleaning, planned),
        key="dn2_suspects",
        height=400 if n > 12 else 240,
        **decision_keys(project, shown),
    )


def suspect_cells(shown, draft, cleaning, planned) -> Cells:
    """All normals by suspicion: the multiple of the usual spacing under each, and on it what becomes of it."""
    order, spacing, names = cleaning.order, shown.spacing, names_of(shown)
    distances = np.sqrt(cleaning.scores[order], dtype=np.float64)
    spreads = many_times(distances / spacing) if spacing > 0 else [times(float("nan"))] * len(order)
    return Cells(
        ids=ranked(shown, cleaning),
        captions=spreads,
        tones=["review" if planned.leaves[at] else "normal" for at in order.tolist()],
        details=[names[at] for at in order.tolist()],
        marks=fates(shown, draft, planned, order),
    )
