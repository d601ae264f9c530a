"""What a comparison says, in words: which detector is ahead, on what that rests, what became of each."""

import streamlit as st

from dn2core.detect.baselines import DN2
from dn2core.errors import DN2Error
from dn2core.explore.comparison import FEW_LABELS
from dn2core.project.comparing import compared_in
from pages.parts.header import moment
from pages.parts.text import md, number, sentence, t, tn


@st.cache_resource(max_entries=4, show_spinner=False)
def _standing(_project, _kept, _shown, key: str):
    return compared_in(_project, _kept, _shown)


def standing_of(project, kept, shown, key: str):
    """How the detectors stand beside DN2, kept by `key`; None where no compared image is left."""
    try:
        with st.spinner(t("Comparing the scores")):
            return _standing(project, kept, shown, key)
    except DN2Error:  # all images that were compared have been removed since
        return None


def answer_words(kept, standing) -> str:
    """Whether another detector does better, as far as can be told."""
    others = {name: one for name, one in standing.standings.items() if name != DN2}
    own = standing.standings.get(DN2)
    if own is None or not others:
        return t("Nothing to compare with yet")
    if own.roc_auc is None:
        least = min(
            (name for name in others if others[name].correlation is not None),
            key=lambda name: others[name].correlation,
            default=None,
        )
        if least is None:
            return t("No labels, so nobody can say which detector is right")
        return t(
            "No labels, so nobody can say which is right · {name} agrees least with DN2",
            name=md(kept.entries[least].title),
        )
    better = [name for name in others if standing.word(name) == "better"]
    best = max(others, key=lambda name: others[name].roc_auc.value)
    beside = t(
        "DN2 {own}, best of the others {name} {value}",
        own=area(own.roc_auc.value),
        name=md(kept.entries[best].title),
        value=area(others[best].roc_auc.value),
    )
    if not standing.telling:
        head = t("Too few labels to tell which is right: {n} of each kind are a start", n=number(FEW_LABELS))
    elif better:
        head = tn("{n} detector does better here", "{n} detectors do better here", len(better))
    else:
        head = t("No detector does better than DN2 here, as far as these labels tell")
    return f"{head} · {beside}"


def basis_words(project, shown, kept, standing) -> str:
    """On which images the comparison rests, and whether the normals have changed since."""
    normals = tn("{n} normal", "{n} normals", len(kept.normal_ids))
    if len(kept.normal_ids) < kept.normals:
        normals = t("{normals} drawn of {all}", normals=normals, all=number(kept.normals))
    images = tn("{n} image", "{n} images", len(kept.ids) if standing is None else len(standing.positions))
    if len(kept.ids) < kept.scored:
        images = t("{images} drawn of {all}", images=images, all=number(kept.scored))
    parts = [
        t(
            "Fitted to {normals} of version {version}, compared on {images}, {moment}.",
            normals=normals,
            version=number(kept.version),
            images=images,
            moment=md(moment(max(entry.at for entry in kept.entries.values()))),
        )
    ]
    if standing is not None and standing.good + standing.defects:
        parts.append(
            t(
                "{good} known good parts and {defects} known defects among them.",
                good=number(standing.good),
                defects=number(standing.defects),
            )
        )
    if standing is not None and standing.unscored:
        parts.append(
            tn(
                "{n} image that one of them could not read is left out.",
                "{n} images that one of them could not read are left out.",
                standing.unscored,
            )
        )
    if (kept.version, kept.fingerprint) != (shown.state.version, shown.state.fingerprint):
        parts.append(t("The normals have changed since: compare anew for the present ones."))
    return " ".join(parts)


def chart_words(standing) -> tuple[str, str]:
    """Title and explanation of the chart."""
    if any(one.roc_auc is not None for one in standing.standings.values()):
        return (
            t("ROC AUC with its 95 % interval"),
            t(
                "How often a defect scores higher than a good part; 0.5 is chance. All detectors meet the same "
                "bootstrap draws of the labelled images, so a difference can be clear where intervals overlap. The "
                "intervals of the differences to DN2 hold for all detectors at once. Where good parts and defects do "
                "not overlap at all, an interval has no width, which tells nothing of labels to come."
            ),
        )
    return (
        t("Agreement with DN2"),
        t("Rank correlation (Spearman) of the scores with DN2's: 1 where both put all images in the same order."),
    )


def entry_words(entry) -> str:
    """What is to be known of a detector's fit; why there are no scores, where there are none."""
    if entry.error_code:
        return sentence(entry.error_code, entry.error_params)
    return " · ".join(note_words(entry))


def note_words(entry) -> list[str]:
    """A fit's notes as words, in the order of this table."""
    words = {
        "fitted_on": lambda n: t("fitted on {n} of the normals", n=number(n)),
        "directions": lambda n: tn("{n} principal direction", "{n} principal directions", int(n)),
        "parts": lambda n: tn("{n} centre", "{n} centres", int(n)),
        "epochs": lambda n: tn("{n} epoch", "{n} epochs", int(n)),
        "steps": lambda n: tn("{n} step", "{n} steps", int(n)),
        "images_seen": lambda n: tn("{n} image seen in training", "{n} images seen in training", int(n)),
        "out_of_time": lambda n: t("training ended by the time limit of {n} s", n=number(n)),
        "not_converged": lambda n: tn(
            "not converged after {n} iteration", "not converged after {n} iterations", int(n)
        ),
    }
    said = [say(entry.notes[key]) for key, say in words.items() if key in entry.notes]
    if entry.encoded:
        said.append(tn("{n} image encoded for this", "{n} images encoded for this", entry.encoded))
    return said


def area(value: float) -> str:
    return number(value, 3)
