"""The button that drops what is on trial: one version, one entry of the history, with the way back."""

import numpy as np
import streamlit as st

from dn2core.detect import limit_for
from dn2core.errors import DN2Error
from dn2core.project.cleaning import OWN, drop_normals
from pages.parts.clean_draft import Draft, change, forget
from pages.parts.clean_trial import ask
from pages.parts.components.who import author
from pages.parts.header import problem
from pages.parts.impact import note_change, note_nothing
from pages.parts.limits import support_words, whole
from pages.parts.service import past
from pages.parts.text import md, number, t, tn

FAILED = "dn2_clean_failed"


def apply_row(project, shown, draft: Draft, planned, found, refused) -> None:
    """Apply, the way back to nothing on trial, and whether somebody vouches for what is dropped.

    Args:
        found, refused: what the plan would do, or why it cannot be carried out, as `foreseen` gives them; neither
            has the way to learn it.
    """
    n = int(planned.leaves.sum())
    unseen = int((planned.strangers & ~planned.seen).sum())
    if found is None and refused is None:
        _ask_row(shown, planned)
    if unseen or (planned.vouched and planned.strangers.any()):
        # By its value, so that other strangers take it back.
        st.session_state["dn2_clean_vouched"] = planned.vouched
        st.checkbox(
            t("I looked: none is a good part"),
            key="dn2_clean_vouched",
            disabled=past(),
            on_change=lambda: change(project, vouched=planned.whose if st.session_state["dn2_clean_vouched"] else ""),
            help=t(
                "What is dropped by its distance alone may be a rare good part, and others like it would be flagged. "
                "The limit's forecast allows for that, unless somebody looked at them."
            ),
        )
        if found is not None and unseen:
            st.caption(_promise(shown, found.after, unseen))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_clean_row"):
        st.button(
            _words(int(planned.strangers.sum()), int(planned.copies.sum())),
            key="dn2_clean_apply",
            type="primary",
            icon=":material/check:",
            shortcut="A",
            disabled=not n or refused is not None or past(),
            on_click=_apply,
            args=(project, shown, draft, planned),
        )
        if draft != Draft():
            st.button(
                t("Start over"),
                key="dn2_clean_forget",
                type="tertiary",
                icon=":material/undo:",
                on_click=forget,
                args=(project,),
                help=t("Forgets the share and what you said of single images."),
            )
    failed = st.session_state.pop(FAILED, None)
    if failed is not None:
        problem(failed)


def _ask_row(shown, planned) -> None:
    """What dropping would change takes long with many normals, so it is worked out when somebody wants to know."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_clean_ask_row"):
        st.button(
            t("What would change?"),
            key="dn2_clean_ask",
            icon=":material/compare_arrows:",
            on_click=ask,
            args=(shown, planned),
        )
        st.caption(
            t("With {n} normals this takes a while, so it is worked out only when asked.", n=number(len(shown.normals)))
        )


def _promise(shown, after, unseen: int) -> str:
    """What the limit can promise without and with somebody who looked at the strangers; "" where that is no matter."""
    if after.calibration is None or after.calibrated_on != "leave_one_out":
        return ""
    asides = (shown.set_aside + unseen, shown.set_aside)
    budgets = [limit_for(after.reference_scores, after.budget, set_aside=aside).best_budget for aside in asides]
    return t(
        "Otherwise the limit can promise {unseen} false alarms at best, instead of {seen}.",
        unseen=support_words(whole(budgets[0])),
        seen=support_words(whole(budgets[1])),
    )


def _words(strangers: int, copies: int) -> str:
    """What the button drops."""
    of_strangers = tn("Drop {n} stranger", "Drop {n} strangers", strangers)
    if strangers and copies:
        return tn("{strangers} and {n} copy", "{strangers} and {n} copies", copies, strangers=of_strangers)
    if copies:
        return tn("Drop {n} copy", "Drop {n} copies", copies)
    return of_strangers if strangers else t("Nothing to drop")


def _apply(project, shown, draft: Draft, planned) -> None:
    ids, leaves = shown.normals.ids, int(planned.leaves.sum())
    share = draft.percent / 100 if draft.how == OWN else float(planned.proposed.mean())
    try:
        made = drop_normals(
            project,
            ids[planned.strangers].tolist(),
            how=draft.how,
            share=share,
            seen=ids[planned.strangers & planned.seen].tolist(),
            copies=ids[planned.copies].tolist(),
            author=author(),
        )
    except DN2Error as error:
        st.session_state[FAILED] = error
        return
    if not made.count:
        note_nothing(project, md(t("Nothing was dropped: somebody else changed these normals meanwhile.")))
        return
    words = tn("{n} normal dropped", "{n} normals dropped", made.count)
    done = t("{done}: version {version}.", done=words, version=number(made.version))
    if made.count < leaves:
        others = tn("{n} other was none any more.", "{n} others were none any more.", leaves - made.count)
        done = f"{done} {others}"
    note_change(project, made.before, made.version, int(ids[np.flatnonzero(planned.leaves)[0]]), md(done))
    forget(project, kept=draft.kept)
