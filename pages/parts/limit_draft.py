"""A limit on trial: budgets and what they rest on live in the address until they are applied."""

import math
from collections.abc import MutableMapping
from dataclasses import dataclass, replace

import streamlit as st

from dn2core.detect import CALIBRATIONS
from dn2core.errors import DN2Error
from dn2core.project.settings import Settings
from pages.parts.text import number, sentence, show, t

NAMES = ("one_in", "reject", "rest")
OFF = "off"


@dataclass(frozen=True)
class Draft:
    """What the address says, as settings; where that is impossible, the ones in use and why (plain text)."""

    settings: Settings
    problem: str = ""


def read(params: MutableMapping[str, str], saved: Settings) -> Draft:
    """The choice under trial. Budgets stand in the address as the N of "1 in N"."""
    rest = params.get("rest", "")
    try:
        budget = share(params["one_in"]) if "one_in" in params else saved.budget
        reject = saved.reject_budget
        if "reject" in params:
            reject = None if params["reject"] == OFF else share(params["reject"])
        if reject is not None and reject > budget:
            return Draft(saved, _more_rejected(budget, reject))
        calibration = rest if rest in CALIBRATIONS else saved.calibration
        return Draft(replace(saved, budget=budget, reject_budget=reject, calibration=calibration))
    except DN2Error as error:
        return Draft(saved, sentence(error))
    except ValueError as error:
        return Draft(saved, str(error))


def write(params: MutableMapping[str, str], saved: Settings, **change: str | None) -> None:
    """Put words on trial: what equals the choice in use, and None, leaves no trace in the address."""
    for name, word in change.items():
        if word is None or word == _words_of(saved)[name]:
            params.pop(name, None)
        else:
            params[name] = word


def try_out(saved: Settings, **change: str | None) -> None:
    """As `write` in the page's address."""
    write(st.query_params, saved, **change)


def drop(params: MutableMapping[str, str]) -> None:
    """End the trial."""
    for name in NAMES:
        params.pop(name, None)


def share(word: str) -> float:
    """The share that "1 in N" is.

    Raises:
        ValueError: with a sentence, where N is no number above 1.
    """
    try:
        n = float(word)
    except ValueError:
        n = math.nan
    if not 1 < n < math.inf:
        raise ValueError(
            t(
                "Enter a number above 1, such as 200 for 1 in 200 (got {got}). The limit in use stays until then.",
                got=show(word or "–"),
            )
        )
    return 1 / n


def one_in_word(budget: float) -> str:
    """The N of "1 in N" as the address keeps it, exact enough to lead back to the same limit."""
    return f"{1 / budget:.15g}"


def typed(params: MutableMapping[str, str], name: str, budget: float | None) -> float | None:
    """The number that a field shows: what was typed, be it possible or not, else the budget in use."""
    try:
        value = float(params.get(name, ""))
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    return None if budget is None else float(one_in_word(budget))


def _words_of(saved: Settings) -> dict[str, str]:
    return {
        "one_in": one_in_word(saved.budget),
        "reject": OFF if saved.reject_budget is None else one_in_word(saved.reject_budget),
        "rest": saved.calibration,
    }


def _more_rejected(budget: float, reject: float) -> str:
    return t(
        "Expected fewer good parts to be rejected than flagged, but 1 in {reject} is more than 1 in {flag}. "
        "Give the second limit a larger number.",
        reject=number(1 / reject),
        flag=number(1 / budget),
    )
