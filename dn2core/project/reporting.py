"""A snapshot of a project as a report for people who were not there."""

import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from dn2core import __version__
from dn2core.detect import PASS, REJECT, REVIEW, Judgement, ScoreTable, form_of
from dn2core.detect.calibration import Forecast, forecast
from dn2core.detect.calibration import Limit as Calibration
from dn2core.detect.capture import Finding
from dn2core.detect.lot_difference import LotDifference, drawn_lots, lot_difference
from dn2core.explore.evaluation import Evaluation, Share
from dn2core.explore.heatmap import heat_over
from dn2core.ingest.decode import decode
from dn2core.ingest.thumbnail import thumbnail
from dn2core.project import capture_words, events
from dn2core.project.captures import Captures, captures
from dn2core.project.evaluate import evaluation
from dn2core.project.history_words import (
    backbone_word,
    calibration_word,
    event_words,
    preset_word,
    setting_name,
    setting_value,
)
from dn2core.project.labels import DEFECT, GOOD, UNSURE, Label, labels, labels_of
from dn2core.project.limit_words import refusal
from dn2core.project.patches import PatchView, by_a_place_alone, patch_heat, patch_view
from dn2core.project.settings import K_MAX
from dn2core.project.snapshot import Snapshot
from dn2core.report import html
from dn2core.report.csv import results_csv
from dn2core.report.figures import CODES
from dn2core.report.say import ENGLISH, Say

if TYPE_CHECKING:
    from dn2core.project.project import Project

SOFTWARE = ("torch", "openvino", "faiss-cpu", "numpy", "scipy", "pillow", "streamlit")


def report_of(
    project: "Project",
    view: Snapshot,
    judged: Judgement,
    *,
    author: str = "",
    when: datetime,
    say: Say = ENGLISH,
    most: int = html.MOST_PICTURES,
) -> html.Report:
    """What `report_html` needs to tell of a snapshot.

    Of a snapshot of the past the report tells what was known then: the labels and the history up to its entry.

    Args:
        judged: the verdicts to report, of this snapshot.
        author: who has it made.
        when: the moment; all times are told in its zone.
        say: the sentences' language.
        most: images at most, in each gallery and of those taken unlike the normals.
    """
    entries = _entries(project, view)
    known = known_labels(project, view)
    marks = labels_of(view.scored, known)
    patches, taken = patch_view(project, view), captures(project, view)
    flagged = _ranked(judged.scores, judged.flagged)
    alone = by_a_place_alone(judged, patches)
    missed = _ranked(judged.scores, (marks == DEFECT) & (judged.verdicts == PASS) & ~alone)
    places = _ranked(patches.scores, alone) if patches else np.empty(0, np.int64)
    odd = _gravest_first(taken)

    def pictures(positions: np.ndarray) -> tuple[html.Picture, ...]:
        return _pictures(project, view, judged, patches, taken, positions[:most], known, say)

    return html.Report(
        project=view.name,
        made_at=when,
        author=author,
        state=_state(view),
        answer=_answer(view, judged, say),
        counts=_counts(judged, marks),
        settings=(*_settings(view, judged, say), *_place_limit(patches, say)),
        limits=tuple(_limits(judged, say)),
        forecasts=tuple(_forecasts(view, judged, say)),
        warnings=tuple(_warnings(view, judged, patches, taken, len(missed), len(places), say)),
        normal_scores=judged.normal_scores,
        scored_scores=judged.scores,
        map=_map(project, view, judged),
        flagged=pictures(flagged),
        flagged_total=len(flagged),
        missed=pictures(missed),
        missed_total=len(missed),
        places=pictures(places),
        places_total=len(places),
        captures=tuple(
            html.Odd(view.scored.names[at], str(judged.verdicts[at]), capture_words.words(taken.scored[at], say))
            for at in odd[:most].tolist()
        ),
        captures_total=len(odd),
        history=tuple(
            html.Event(datetime.fromtimestamp(entry.at, UTC), entry.author, event_words(entry, say))
            for entry in entries
        ),
        evaluation=tuple(_evaluation(evaluation(view, judged, marks), say)),
        software=tuple(software()),
    )


def results_of(
    project: "Project",
    view: Snapshot,
    judged: Judgement,
    taken: Captures,
    *,
    positions: Sequence[int] | np.ndarray | None = None,
    names: Sequence[str] | None = None,
    bom: bool = False,
) -> bytes:
    """`results_csv` of a snapshot with all that a project knows of its images.

    Args:
        taken: how the images of this snapshot were taken.
    """
    return results_csv(
        view,
        judged,
        positions=positions,
        names=names,
        labels=known_labels(project, view),
        findings=taken.scored,
        patches=patch_view(project, view),
        bom=bom,
    )


def history_entry(view: Snapshot) -> int | None:
    """Id of the entry of the history that a snapshot of the past belongs to; None for one of the present."""
    return view.generation[2] if view.generation[1] == "event" else None


def known_labels(project: "Project", view: Snapshot) -> dict[int, Label]:
    """The labels in force, by image id; of a snapshot of the past, those of that time."""
    return labels(project) if history_entry(view) is None else labels_after(_entries(project, view))


def labels_after(entries: Iterable[events.Event]) -> dict[int, Label]:
    """The labels in force after the newest of these entries, by image id; newest first, as `history` gives them."""
    last: dict[int, Label] = {}
    for entry in entries:
        if entry.kind == "label" and entry.image_id not in last:
            details = entry.details
            last[entry.image_id] = Label(
                entry.image_id, details["label"], details.get("note", ""), entry.author, entry.at, entry.id
            )
    return {image: label for image, label in last.items() if label.label}


def software() -> list[tuple[str, str]]:
    """(name, version) of what computes; what is not installed is left out."""
    found = [("DN2", __version__), ("Python", platform.python_version())]
    for name in SOFTWARE:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def _entries(project: "Project", view: Snapshot) -> list[events.Event]:
    past = history_entry(view)
    return [entry for entry in events.history(project) if past is None or entry.id <= past]


def _ranked(scores: np.ndarray, which: np.ndarray) -> np.ndarray:
    """(.,) positions, the most unusual first."""
    at = np.flatnonzero(which)
    return at[np.argsort(-scores[at], kind="stable")]


def _gravest_first(taken: Captures) -> np.ndarray:
    """(.,) positions of the images with findings about the capture."""
    strengths = np.array([some[0].strength if some else 0.0 for some in taken.scored])
    return _ranked(strengths, taken.scored_with_findings())


def _state(view: Snapshot) -> html.State:
    state = view.state
    return html.State(
        version=state.version,
        normals=state.n,
        created=datetime.fromtimestamp(state.created, UTC),
        reason=state.reason,
        fingerprint=state.fingerprint,
        backbone=backbone_word(state.backbone),
        preset=preset_word(state.preset),
    )


def _answer(view: Snapshot, judged: Judgement, say: Say) -> str:
    t = say.t
    if judged.calibration is None:
        return t("One normal is too few for a limit, so nothing is judged yet.")
    return t(
        "{flagged} of {n} flagged · limit {limit} at k = {k} · judged by normals version {version}",
        flagged=say.number(int(judged.flagged.sum())),
        n=say.number(len(judged.scores)),
        limit=say.raw(judged.limit),
        k=say.number(judged.k),
        version=say.number(view.state.version),
    )


def _counts(judged: Judgement, marks: np.ndarray) -> html.Counts:
    verdicts = [int((judged.verdicts == name).sum()) for name in (PASS, REVIEW, REJECT)]
    said = [int((marks == name).sum()) for name in (GOOD, DEFECT, UNSURE)]
    return html.Counts(len(judged.scores), *verdicts, *said)


def _settings(view: Snapshot, judged: Judgement, say: Say):
    """(label, value) of all that turns vectors into verdicts."""
    t, settings = say.t, view.settings
    yield setting_name("k", say), say.number(judged.k)
    yield _capital(setting_name("form", say)), setting_value("form", settings, say)
    yield t("Formula"), form_of(judged.form).formula
    for name in ("budget", "reject_budget"):
        yield _capital(setting_name(name, say)), setting_value(name, settings, say)
    if judged.calibrated_on:
        yield _capital(setting_name("calibration", say)), calibration_word(judged.calibrated_on, say)
    yield _capital(setting_name("normalise", say)), setting_value("normalise", settings, say)
    if settings.patches is not None:
        for name in ("patches", "tiles", "mask"):
            yield _capital(setting_name(name, say)), setting_value(name, settings, say)
    if view.reduced:
        yield (
            t("Compared with"),
            t(
                "{n} of {all} normals, {checks} set aside to check the limit",
                n=say.number(len(view.normals)),
                all=say.number(view.state.n),
                checks=say.number(len(view.checks)),
            ),
        )
    if len(view.held):
        yield t("Held-out normals"), say.number(len(view.held))
    lots = {lot for lot in view.normals.and_then(view.apart).lots if lot}
    if lots:
        yield t("Lots of the normals"), say.number(len(lots))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _limits(judged: Judgement, say: Say):
    t = say.t
    if judged.calibration is None:
        return
    if judged.reject_budget is None:
        yield html.Limit(t("limit"), judged.limit, _came_about(judged, judged.calibration, t("flagged"), say))
        return
    yield html.Limit(t("limit for review"), judged.limit, _came_about(judged, judged.calibration, t("flagged"), say))
    yield html.Limit(
        t("limit for rejects"), judged.reject_limit, _came_about(judged, judged.rejection, t("rejected"), say)
    )


def _place_limit(patches: PatchView | None, say: Say):
    if patches is None or patches.calibration is None:
        return
    words = say.t(
        "The budget: {budget} good parts may be flagged by a place. Of {n} scores of good parts, {above} lie above it.",
        budget=say.one_in(patches.calibration.budget),
        n=say.number(patches.calibration.forecast.n),
        above=say.number(patches.calibration.forecast.above),
    )
    if not patches.calibration.supported:
        words = f"{words} {say.t('That budget cannot be promised yet.')}"
    yield say.t("Limit for a place"), f"{say.raw(patches.limit)}. {words}"


def _came_about(judged: Judgement, limit: Calibration, done: str, say: Say) -> str:
    words = say.t(
        "The budget: {budget} good parts may be {done}. Of {n} scores of good parts ({basis}), {above} lie above it.",
        budget=say.one_in(limit.budget),
        done=done,
        n=say.number(limit.forecast.n),
        basis=calibration_word(judged.calibrated_on, say),
        above=say.number(limit.forecast.above),
    )
    return words if limit.supported else f"{words} {say.t('That budget cannot be promised yet.')}"


def _forecasts(view: Snapshot, judged: Judgement, say: Say):
    """What each kind of reference expects above the limit in force; at fewer neighbours where it has no more."""
    for kind in view.references if judged.calibration else ():
        ahead = _ahead(view, judged, kind)
        yield html.Forecast(
            _capital(calibration_word(kind, say)),
            ahead.expected,
            ahead.low,
            ahead.high,
            _rests_on(ahead, kind == judged.calibrated_on, say),
        )


def _ahead(view: Snapshot, judged: Judgement, kind: str) -> Forecast:
    if kind == judged.calibrated_on:
        return judged.calibration.forecast
    table = view.table_on(kind)
    at = _at_most(view, judged, table.k_max)
    scores, reference = table.judge(at.k, judged.budget).reference_scores, table.reference
    return forecast(scores, at.limit, reference.lots, set_aside=reference.set_aside)


def _at_most(view: Snapshot, judged: Judgement, k: int) -> Judgement:
    """The verdicts at no more neighbours than that, for a limit is compared with scores at its own k only."""
    if judged.k <= k:
        return judged
    return view.table_on(judged.calibrated_on).judge(k, judged.budget, judged.reject_budget)


def _rests_on(ahead: Forecast, in_force: bool, say: Say) -> str:
    t = say.t
    parts = [t("{n} scores, {above} above the limit.", n=say.number(ahead.n), above=say.number(ahead.above))]
    if ahead.design_effect > 1.05:
        worth = say.number(max(1, round(ahead.n_effective)))
        parts.append(t("Images of a lot are alike: they say as much as {worth} independent ones.", worth=worth))
    if ahead.set_aside:
        parts.append(
            say.tn(
                "{n} normal was dropped by its distance alone, and the interval allows for its being good.",
                "{n} normals were dropped by their distance alone, and the interval allows for their being good.",
                ahead.set_aside,
            )
        )
    if in_force:
        parts.append(t("The limit rests on these."))
    return " ".join(parts)


def _warnings(
    view: Snapshot,
    judged: Judgement,
    patches: PatchView | None,
    taken: Captures,
    missed: int,
    places: int,
    say: Say,
):
    t, tn = say.t, say.tn
    past = history_entry(view)
    if past is not None:
        yield t("This is a state of the past: entry {entry} of the history.", entry=say.number(past))
    if missed:
        yield tn("{n} known defect passes.", "{n} known defects pass.", missed)
    if places:
        yield tn(
            "{n} image is usual as a whole, but one place of it lies above its limit.",
            "{n} images are usual as a whole, but one place of each lies above its limit.",
            places,
        )
    if view.settings.patches is not None and (waiting := len(view.scored) if patches is None else patches.pending):
        yield tn(
            "The places of {n} image are not compared yet: what one place alone gives away may be missing here.",
            "The places of {n} images are not compared yet: what one place alone gives away may be missing here.",
            waiting,
        )
    if odd := int(taken.scored_with_findings().sum()):
        yield tn(
            "{n} image was taken unlike the normals: check the capture.",
            "{n} images were taken unlike the normals: check the capture.",
            odd,
        )
    if taken.scored_unmeasured:
        yield tn(
            "Of {n} image it is not known how it was taken.",
            "Of {n} images it is not known how they were taken.",
            taken.scored_unmeasured,
        )
    if judged.calibration is not None:
        if not judged.reliable:
            n = say.number(len(judged.reference_scores))
            yield t("The limits rest on {n} scores of good parts only and are unreliable.", n=n)
        limits = [judged.calibration] + ([judged.rejection] if judged.reject_budget is not None else [])
        yield from (refusal(limit, say) for limit in limits if not limit.supported)
        yield from _lots_differ(view, judged, say)
    if view.lost:
        yield tn(
            "The stored picture of {n} scored image is lost, so it is not judged.",
            "The stored pictures of {n} scored images are lost, so they are not judged.",
            view.lost,
        )
    if view.waiting:
        yield tn(
            "{n} image is still being encoded and is not judged yet.",
            "{n} images are still being encoded and are not judged yet.",
            view.waiting,
        )


def _lots_differ(view: Snapshot, judged: Judgement, say: Say):
    """That good parts of another lot lie above the limit more often than the forecast in force leaves room for."""
    if "lots" not in view.references or judged.calibrated_on == "lots":
        return
    found = _difference(view, judged)
    if found.matters:
        yield say.t(
            "The lots differ: about {lots} of good parts from another lot would be flagged, not {images}.",
            lots=say.percent(100 * found.lots.expected),
            images=say.percent(100 * found.images.expected),
        )


def _difference(view: Snapshot, judged: Judgement) -> LotDifference:
    lots = view.table_on("lots")
    at = _at_most(view, judged, lots.k_max)
    reference = drawn_lots(view.bank, lots.reference.lots, K_MAX)
    drawn = ScoreTable(view.loo, view.found, form=judged.form, reference=reference)
    by_lots, by_drawn = (table.judge(at.k, judged.budget).reference_scores for table in (lots, drawn))
    return lot_difference(at.calibration, by_lots, lots.reference.lots, by_drawn)


def _map(project: "Project", view: Snapshot, judged: Judgement) -> html.MapPoints:
    drawn = project.map(view)  # normals first, then scored images, as the codes below
    code = {name: at for at, name in enumerate(CODES)}
    codes = [code["normal"]] * len(view.normals) + [code[name] for name in judged.verdicts.tolist()]
    return html.MapPoints(drawn.xy, np.array(codes, np.int64))


def _pictures(
    project: "Project",
    view: Snapshot,
    judged: Judgement,
    patches: PatchView | None,
    taken: Captures,
    positions: np.ndarray,
    known: dict[int, Label],
    say: Say,
) -> tuple[html.Picture, ...]:
    """Scored images at these positions, with their nearest normals, heat, capture and what people said of them."""
    near = {at: view.neighbours_of(int(view.scored.ids[at]), judged.k) for at in positions.tolist()}
    wanted = view.scored.ids[positions].tolist()
    wanted += [one.item_id for found in near.values() for one in found[: html.NEIGHBOURS]]
    ids = list(dict.fromkeys(wanted))
    jpegs = dict(zip(ids, project.thumbnails(ids), strict=True))
    heated = patches is not None and history_entry(view) is None  # maps are those of the present, on its limit

    def heat(at: int) -> bytes:
        item_id = int(view.scored.ids[at])
        return _heat(project, item_id, jpegs[item_id], outlined=bool(patches.flagged[at]))

    def picture(at: int) -> html.Picture:
        said = known.get(int(view.scored.image_ids[at]))
        return html.Picture(
            name=view.scored.names[at],
            jpeg=jpegs[int(view.scored.ids[at])],
            heat=heat(at) if heated else b"",
            capture=_capture(taken.scored[at], say),
            place=float(patches.multiples[at]) if patches and np.isfinite(patches.multiples[at]) else None,
            verdict=str(judged.verdicts[at]),
            percentile=float(judged.percentiles[at]),
            multiple=float(judged.multiples[at]),
            score=float(judged.scores[at]),
            label=said.label if said else "",
            note=said.note if said else "",
            author=said.author if said else "",
            neighbours=tuple(
                html.NearNormal(one.name, jpegs.get(one.item_id, b""), one.times, one.distance) for one in near[at]
            ),
        )

    return tuple(picture(at) for at in positions.tolist())


def _capture(findings: tuple[Finding, ...], say: Say) -> tuple[str, ...]:
    """What is unusual about how a picture was taken, and the numbers of it; nothing where nothing is."""
    if not findings:
        return ()
    return (capture_words.told(findings, say), *(capture_words.numbers(one, say) for one in findings))


def _heat(project: "Project", item_id: int, jpeg: bytes, *, outlined: bool) -> bytes:
    """The thumbnail under its heat, as JPEG; nothing where either is missing, or where there is no limit."""
    found = patch_heat(project, item_id)
    if not jpeg or found is None or not found[1] >= 0:
        return b""
    return thumbnail(heat_over(decode(jpeg).image, *found, outlined=outlined))


def _evaluation(found: Evaluation, say: Say):
    """(label, value); nothing where a class is missing."""
    t = say.t
    if found.roc_auc is None:
        return
    yield t("Good parts and defects that count"), f"{say.number(found.good)} · {say.number(found.defects)}"
    yield t("Missed defects"), _share(found.confusion.escapes, say)
    yield t("False alarms"), _share(found.confusion.false_alarms, say)
    for name, one in ((t("ROC AUC"), found.roc_auc), (t("Average precision"), found.average_precision)):
        value, low, high = (say.percent(100 * number) for number in one)
        yield name, t("{value} (95 % interval {low} to {high})", value=value, low=low, high=high)
    if found.excluded:
        yield t("Left out, for they are normals as well"), say.number(found.excluded)


def _share(share: Share, say: Say) -> str:
    return say.t(
        "{count} of {of}: {value} (95 % interval {low} to {high})",
        count=say.number(share.count),
        of=say.number(share.of),
        value=say.percent(100 * share.value),
        low=say.percent(100 * share.low),
        high=say.percent(100 * share.high),
    )
