"""From scores to verdicts: the limits that a false-alarm budget sets, and what lies above them."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dn2core.detect.bank import Found
from dn2core.detect.calibration import Limit, check_budget, limit_for, limits_of_rows
from dn2core.detect.forms import form_scores, form_scores_for_every_k
from dn2core.detect.lot_scores import lot_scores, lot_scores_for_every_k
from dn2core.detect.scores import knn_scores
from dn2core.errors import Refused

PASS, REVIEW, REJECT = "pass", "review", "reject"
FEW_NORMALS = 20  # below this many scores, their tail says little
BUDGET = 0.01  # one good part in a hundred
CALIBRATIONS = ("leave_one_out", "lots", "held_out")


@dataclass(frozen=True)
class Reference:
    """Good parts compared with the normals as a new image would be: what the limit rests on.

    kind: one of CALIBRATIONS: "leave_one_out" (each normal against the others), "lots" (each normal against those
        of other lots) or "held_out" (good parts that are not among the normals).
    found: their neighbours among the normals; row i is normal i unless held out.
    lots: (m,) codes where images of one lot are not independent of each other, else None.
    set_aside: normals that are missing here because a cleaning dropped them by their distance alone: see `forecast`.
    """

    kind: str
    found: Found
    lots: np.ndarray | None = None
    set_aside: int = 0


@dataclass(frozen=True)
class Judgement:
    """Scores and verdicts of a set of images under one rule.

    `k` is what was used: a normal has only n - 1 others, so all sides are compared at
    min(k_asked, n - 1), and never beyond the columns that were searched for.
    """

    k_asked: int
    k: int
    form: str
    budget: float  # share of good parts that may be flagged
    reject_budget: float | None  # share of good parts that may be rejected outright; None: all flagged are rejected
    calibrated_on: str  # the kind of the reference, "" below two normals
    limit: float  # scores above it are flagged; NaN below two normals
    reject_limit: float  # scores above it are rejected, those from the limit up to it are for review
    calibration: Limit | None  # how the limit came about; None below two normals
    rejection: Limit | None  # the same for the reject limit
    normal_scores: np.ndarray  # (n,) float32, each normal against the others; empty below two normals
    reference_scores: np.ndarray  # (m,) float32, what the limit rests on
    scores: np.ndarray  # (q,) float32
    percentiles: np.ndarray  # (q,) float64: percent of the reference strictly below; NaN below two normals
    multiples: np.ndarray  # (q,) float64: root of the mean squared distance over the usual spacing; NaN without one
    normal_multiples: np.ndarray  # (n,) float64, likewise
    verdicts: np.ndarray  # (q,) of "pass", "review", "reject"; "review" where there is no limit
    flagged: np.ndarray  # (q,) bool: above the limit
    spacing: float  # usual distance (L2) of a normal to the nearest other one; NaN below two normals
    reliable: bool  # enough scores for the limit to mean something

    @property
    def false_alarms(self) -> float:
        """Share of good parts like the normals that is flagged, as expected; NaN without a limit."""
        return self.calibration.forecast.expected if self.calibration else math.nan


def percentile_among(reference_scores: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Percent of the reference strictly below each of (q,) scores; (q,) float64, NaN without a reference."""
    return _percentile_among_sorted(np.sort(reference_scores), np.asarray(scores))


def usual_spacing(loo: Found) -> float:
    """Median distance (L2, not squared) of a normal to the nearest other normal."""
    return float(np.median(np.sqrt(loo.distances[:, 0].astype(np.float64))))


class ScoreTable:
    """Scores for every k, so that another k, budget or form is a look-up.

    Args:
        loo: the normals against each other; None below two normals.
        found: the scored images against the normals, of the same bank.
        form: a key of `FORMS`.
        reference: what limits rest on; the normals' own leave-one-out scores by default.
    """

    def __init__(self, loo: Found | None, found: Found, *, form: str = "mean", reference: Reference | None = None):
        self.form = form
        self.reference = reference or (Reference("leave_one_out", loo) if loo is not None else None)
        tables = [found, *([loo, self.reference.found] if loo is not None else [])]
        self.k_max = min(table.k for table in tables)
        self.spacing = usual_spacing(loo) if loo is not None else math.nan
        self._loo, self._found = loo, found

    @cached_property
    def scores(self) -> np.ndarray:
        """(k_max, q) float32: the scored images at k = 1, 2, ..."""
        return self._every_k(self._found, own=False)

    @cached_property
    def normal_scores(self) -> np.ndarray:
        """(k_max, n) float32: the normals, each against the others; no column below two normals."""
        return self._every_k(self._loo, own=True)

    @cached_property
    def reference_scores(self) -> np.ndarray:
        """(k_max, m) float32: what limits rest on."""
        if self.reference is None or self.reference.found is self._loo:
            return self.normal_scores
        if self._by_lots:
            reference = self.reference
            return self._as_table(lot_scores_for_every_k(self.form, reference.found, self._loo, reference.lots))
        return self._every_k(self.reference.found, own=False)

    @cached_property
    def sorted_reference_scores(self) -> np.ndarray:
        return np.sort(self.reference_scores, axis=1)

    def limits(self, budget: float = BUDGET) -> np.ndarray:
        """(k_max,) float64: the limit for every k from 1; NaN below two normals."""
        check_budget(budget)
        return limits_of_rows(self.sorted_reference_scores, budget)

    def judge(self, k: int, budget: float = BUDGET, reject_budget: float | None = None) -> Judgement:
        """Verdicts at k neighbours, the limits being set by what share of good parts may be flagged and rejected.

        Raises:
            Refused: when k < 1, or a budget is out of its range or the one for rejects above the other.
        """
        if k < 1:
            raise Refused("K_TOO_SMALL", k=k)
        check_budgets(budget, reject_budget)
        used = min(int(k), self.k_max)
        scores, normal_scores, reference_scores, ranked = self._at(used)
        calibration = rejection = None
        if len(ranked) >= 2:
            lots = self.reference.lots
            reference = ranked if lots is None else reference_scores
            aside = self.reference.set_aside
            calibration = rejection = limit_for(reference, budget, lots, set_aside=aside)
            if reject_budget is not None:
                rejection = limit_for(reference, reject_budget, lots, set_aside=aside)
        limit = calibration.value if calibration else math.nan
        reject_limit = rejection.value if rejection else math.nan
        flagged = scores > limit
        # With no limit all comparisons are false: nothing passes that was not compared.
        above = np.where(scores > reject_limit, REJECT, REVIEW)
        return Judgement(
            k_asked=int(k),
            k=used,
            form=self.form,
            budget=budget,
            reject_budget=reject_budget,
            calibrated_on=self.reference.kind if calibration else "",
            limit=limit,
            reject_limit=reject_limit,
            calibration=calibration,
            rejection=rejection,
            normal_scores=normal_scores,
            reference_scores=reference_scores,
            scores=scores,
            percentiles=_percentile_among_sorted(ranked, scores),
            multiples=self._multiples(self._found, used, scores),
            normal_multiples=self._multiples(self._loo, used, normal_scores),
            verdicts=np.where(scores <= limit, PASS, above),
            flagged=flagged,
            spacing=self.spacing,
            reliable=len(ranked) >= FEW_NORMALS,
        )

    @property
    def _by_lots(self) -> bool:
        """The reference are normals, each without its whole lot; held-out images may come of lots, but are none."""
        reference = self.reference
        return reference.kind == "lots" and reference.lots is not None and reference.found is not self._loo

    def _at(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Scores of scored images, normals and reference at one k, and the last sorted; without those of every k."""
        if "scores" in self.__dict__:  # every k was asked for already
            rows = (self.scores, self.normal_scores, self.reference_scores, self.sorted_reference_scores)
            return tuple(table[k - 1] for table in rows)
        scores = form_scores(self.form, self._found, self._loo, k)
        normal = reference = np.empty(0, np.float32)
        if self._loo is not None:
            normal = reference = form_scores(self.form, self._loo, self._loo, k, own=True)
            if self._by_lots:
                reference = lot_scores(self.form, self.reference.found, self._loo, self.reference.lots, k)
            elif self.reference.found is not self._loo:
                reference = form_scores(self.form, self.reference.found, self._loo, k)
        return scores, normal, reference, np.sort(reference)

    def _every_k(self, found: Found | None, *, own: bool) -> np.ndarray:
        if found is None:
            return np.empty((self.k_max, 0), np.float32)
        return self._as_table(form_scores_for_every_k(self.form, found, self._loo, own=own))

    def _as_table(self, scores: np.ndarray) -> np.ndarray:
        table = np.ascontiguousarray(scores.T[: self.k_max])
        table.setflags(write=False)
        return table

    def _multiples(self, found: Found | None, k: int, scores: np.ndarray) -> np.ndarray:
        """Root of the mean squared distance, whatever the form of the scores, over the usual spacing."""
        if found is None:
            return np.empty(0)
        if not self.spacing > 0:
            return np.full(len(found.distances), np.nan)
        means = scores if self.form == "mean" else knn_scores(found.distances, k)
        return np.sqrt(means, dtype=np.float64) / self.spacing


def check_budgets(budget: float, reject_budget: float | None) -> None:
    """Refuse budgets that no limits can follow from.

    Raises:
        Refused: BUDGET_OUT_OF_RANGE, or REJECT_BUDGET where more good parts might be rejected than flagged.
    """
    check_budget(budget)
    if reject_budget is not None:
        check_budget(reject_budget)
        if reject_budget > budget:
            raise Refused("REJECT_BUDGET", budget=budget, reject_budget=reject_budget)


def judge(loo: Found | None, found: Found, *, k: int, budget: float = BUDGET) -> Judgement:
    """Verdicts of one k by the paper's score; who asks for many keeps a `ScoreTable`."""
    return ScoreTable(loo, found).judge(k, budget)


def changes(before: Judgement, after: Judgement) -> np.ndarray:
    """(c,) int64 positions of the images whose verdict differs between two judgements of the same images."""
    if len(before.verdicts) != len(after.verdicts):
        raise Refused("JUDGEMENTS_DIFFER", before=len(before.verdicts), after=len(after.verdicts))
    return np.flatnonzero(before.verdicts != after.verdicts)


def _percentile_among_sorted(ranked: np.ndarray, scores: np.ndarray) -> np.ndarray:
    if len(ranked) == 0:
        return np.full(len(scores), np.nan)
    return np.searchsorted(ranked, scores, side="left") * (100 / len(ranked))
