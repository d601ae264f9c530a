"""Score forms in the reader's language."""

from dataclasses import dataclass

from dn2core.detect import form_of
from pages.parts.text import t


@dataclass(frozen=True)
class FormWords:
    """How a score form is called and computed."""

    title: str
    formula: str


def form_words(name: str) -> FormWords:
    """The words of a key of `FORMS`; one that nobody described here is told in English."""
    known = {
        "mean": FormWords(
            t("mean of the squared distances"),
            t("mean of the squared distances to the k nearest normals"),
        ),
        "kth": FormWords(
            t("squared distance to the k-th"),
            t("squared distance to the k-th nearest normal"),
        ),
        "density": FormWords(
            t("mean, corrected for density"),
            t(
                "mean of the squared distances to the k nearest normals, divided by the square root of the mean of "
                "these normals' own scores (each by its k nearest other normals)"
            ),
        ),
    }
    if name in known:
        return known[name]
    form = form_of(name)
    return FormWords(form.title, form.formula)


def order_words(name: str) -> str:
    """Why the multiples under a gallery do not fall in its order; "" where they do."""
    if name == "mean":
        return ""
    return t("The order is that of the score ({form}), so the multiples need not fall.", form=form_words(name).title)
