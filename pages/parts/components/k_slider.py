"""The slider for k, with the picture that follows the thumb while it moves."""

import numpy as np
import streamlit as st

from pages.parts.components.assets import done, pack, register
from pages.parts.text import t

_k_slider = register("k_slider")


def k_slider(*, key: str, k: int, sweep, calibrated_on: str, counted: bool = True) -> int | None:
    """Draw histograms, limit and counts for every k of a `Sweep`, k being the one chosen.

    Args:
        calibrated_on: what the limits rest on, as a `Judgement` names it.
        counted: whether the sweep says what k would bring; the slider stands alone otherwise.

    Returns:
        the k under the thumb when it moved, a few times a second while it moves and once it rests; else None.
    """
    answered = f"{key}_answered"  # the number of the last report that a run of the page has seen
    head = {
        "k": k,
        "answered": st.session_state.get(answered, 0),
        "counted": counted,
        "kNow": min(sweep.k_now, len(sweep.k)),
        "limits": [float(limit) if np.isfinite(limit) else None for limit in sweep.limits],
        "flagged": sweep.flagged_count.tolist(),
        "newly": sweep.newly_flagged.tolist(),
        "back": sweep.no_longer_flagged.tolist(),
        "scored": int(sweep.flagged.shape[1]),
        "normals": int(sweep.normal_hist[0].sum()),
        "bins": int(sweep.normal_hist.shape[1]),
        "ends": sweep.edges[:, [0, -1]].tolist(),
        "texts": {
            "label": t("k, the number of nearest normals that count"),
            "normals": _normals_words(calibrated_on),
            "scored": t("scored images"),
            "limit": t("limit {limit}"),
            "axis": t("how unusual (score at k = {k})"),
            "share": t("share, %"),
            "flagged": t("{flagged} of {n} flagged"),
            "same": t("no verdict changes"),
            "change": t("{n} would change: {newly} newly flagged, {back} no longer"),
            "now": t("in use"),
            "flips": t("How many verdicts would change, for each k"),
        },
    }
    result = _k_slider(
        key=key,
        data=pack(head, sweep.normal_hist.astype(np.uint32).tobytes(), sweep.scored_hist.astype(np.uint32).tobytes()),
        on_k_change=lambda: None,
    )
    moved = done(result, "k")
    if moved is None:
        return None
    # What this run drew was chosen before the report; from the next run on, the page's k counts.
    st.session_state[answered] = int(moved["n"])
    return int(moved["k"])


def _normals_words(calibrated_on: str) -> str:
    words = {"held_out": t("held-out normals"), "lots": t("normals, each against other lots")}
    return words.get(calibrated_on, t("normals, each against the others"))
