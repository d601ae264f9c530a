"""`build` and `score`: files into a project, and what became of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dn2core.cli.staging import Listing, list_files, stage_files
from dn2core.cli.work import work_off
from dn2core.errors import DN2Error, NotFound, Refused
from dn2core.ingest.names import show
from dn2core.project import PRESETS, Project, Settings, Store, data_dir
from dn2core.project.capture_words import files_told, told
from dn2core.project.captures import Captures, captures
from dn2core.project.patch_fits import submit_patches
from dn2core.project.patches import PatchView, by_a_place_alone, due, patch_view, stopped
from dn2core.project.records import Role
from dn2core.project.reporting import results_of
from dn2core.project.snapshot import Snapshot


def build(name: str, paths: list[str], *, preset: str | None = None, backbone: str | None = None) -> int:
    listing, store = list_files(paths), Store(data_dir())
    project = _find(store, name)
    if project is None:
        project = store.create(name, _settings(preset, backbone))
        print(f"New project: {show(project.name)}")
    elif preset or backbone:
        raise Refused("CLI_SETTINGS_OF_NEW", name=project.name)
    batch = _take_in(store, project, "normal", listing)
    state = project.state()
    if state:
        print(f"{show(project.name)}: {_count(state.n, 'normal')}, version {state.version}")
    return 0 if _arrived(project, batch) else 1


def score(name: str, paths: list[str], *, csv: str | None = None, k: int | None = None) -> int:
    if k is not None:
        Settings(k=k)  # refuses one that is out of range, before anything is copied
    listing, store = list_files(paths), Store(data_dir())
    project = find_project(store, name)
    if project.state() is None:
        raise NotFound("NO_NORMALS")
    batch = _take_in(store, project, "scored", listing)

    snapshot = project.snapshot()
    judgement = snapshot.judge(k)
    names = _positions(snapshot.scored, _arrived(project, batch))
    taken = captures(project, snapshot)
    _print_captures(taken, names)
    _print_summary(snapshot, judgement, names)
    if snapshot.settings.patches is not None:
        why_not = _compare_places(store, project, snapshot)
        _print_places(patch_view(project, snapshot), judgement, names, why_not)
    if csv:
        rows, files = list(names), list(names.values())
        Path(csv).write_bytes(results_of(project, snapshot, judgement, taken, positions=rows, names=files))
        print(f"Results: {csv}")
    return 0 if names else 1


def find_project(store: Store, name: str) -> Project:
    """The project of this id or name.

    Raises:
        NotFound: CLI_NO_PROJECT when none has it.
        Refused: CLI_SAME_NAMES when several have the name.
    """
    project = _find(store, name)
    if project is None:
        known = ", ".join(sorted(card.name for card in store.projects())) or "none"
        raise NotFound("CLI_NO_PROJECT", name=name, known=known)
    return project


def _find(store: Store, name: str) -> Project | None:
    """The project of this id or name.

    Raises:
        Refused: when several have the name.
    """
    cards = store.projects()
    ids = [card.id for card in cards if card.id == name] or [card.id for card in cards if card.name == name.strip()]
    if len(ids) > 1:
        raise Refused("CLI_SAME_NAMES", name=name, count=len(ids), ids=", ".join(ids))
    return store.open(ids[0]) if ids else None


def _settings(preset: str | None, backbone: str | None) -> Settings:
    settings = PRESETS[preset or "recommended"]
    return replace(settings, backbone=backbone) if backbone else settings


def _take_in(store: Store, project: Project, role: Role, listing: Listing) -> int:
    """Stage, submit, wait, and print what became of every file; returns the batch."""
    batch = project.new_batch(role, "command line")
    unreadable = stage_files(project, batch, listing.files)
    _print_rejected(unreadable)
    work_off(store, project.submit(batch))
    refused = [(outcome.name, outcome.sentence) for outcome in project.outcomes(batch, "rejected")]
    _print_rejected(refused)
    accepted, duplicate = (len(project.outcomes(batch, status)) for status in ("accepted", "duplicate"))
    rejected = len(unreadable) + len(refused)
    given = accepted + duplicate + rejected
    print(f"{_count(given, 'image')} given: {accepted} accepted, {duplicate} duplicate, {rejected} rejected")
    if listing.ignored:
        print(f"{_count(listing.ignored, 'system file')} ignored")
    return batch


def _print_rejected(files: list[tuple[str, str]]) -> None:
    for name, reason in files:
        print(f"rejected  {show(name)}: {reason}")


def _arrived(project: Project, batch: int) -> dict[int, str]:
    """Items of the batch's files, those that were there before included, each by the first name given now."""
    arrived: dict[int, str] = {}
    for outcome in project.outcomes(batch):
        if outcome.item_id is not None:
            arrived.setdefault(outcome.item_id, outcome.name)
    return arrived


def _positions(scored, items: dict[int, str]) -> dict[int, str]:
    """Rows of these items and their names, in the order of the files."""
    row = {int(item_id): position for position, item_id in enumerate(scored.ids)}
    return {row[item]: name for item, name in items.items() if item in row}


def _print_summary(snapshot, judgement, names: dict[int, str]) -> None:
    """`names` of the rows of interest, as they were given."""
    positions = np.array(list(names), np.int64)
    flagged = positions[judgement.flagged[positions]]
    for position in flagged[np.argsort(-judgement.scores[flagged], kind="stable")]:
        percentile = judgement.percentiles[position]
        print(
            f"{judgement.verdicts[position]:<8}  {show(names[int(position)])}: score "
            f"{judgement.scores[position]:.4g}, farther than {percentile:.1f} % of the normals"
        )
    if np.isnan(judgement.limit):
        print("No limit: one normal has no other to be compared with. Add normals; until then all is for review.")
        return
    print(
        f"{_count(len(positions), 'image')}: {len(flagged)} flagged, {len(positions) - len(flagged)} pass · "
        f"limit {judgement.limit:.4g} at k = {judgement.k} · {_count(snapshot.state.n, 'normal')}, "
        f"version {snapshot.state.version}"
    )
    calibration = judgement.calibration
    print(f"About {100 * calibration.forecast.expected:.2g} % of good parts like the normals are flagged as well.")
    if not calibration.supported:
        print(
            f"That at most 1 in {1 / calibration.budget:,.0f} good parts is flagged cannot be promised: "
            f"it takes {_count(calibration.more_needed, 'more normal')}."
        )


def _compare_places(store: Store, project: Project, view: Snapshot) -> str:
    """Wait until the places are compared, with a progress bar; returns the sentence that tells why they are not."""
    if not due(project, view):
        return ""
    if stopped(project):
        return "Looking at places was stopped; the page Where goes on with it."
    try:
        work_off(store, submit_patches(project))
    except DN2Error as error:  # the verdicts of the whole images hold
        return str(error)
    return ""


def _print_places(places: PatchView | None, judgement, names: dict[int, str], why_not: str) -> None:
    """What a place gives away of images that pass as a whole, and of how many that is not known."""
    positions = np.array(list(names), np.int64)
    alone = positions[by_a_place_alone(judgement, places)[positions]]
    if len(alone):
        for position in alone[np.argsort(-places.scores[alone], kind="stable")]:
            print(
                f"{'place':<8}  {show(names[int(position)])}: score of its most unusual place "
                f"{places.scores[position]:.4g}, limit {places.limit:.4g}"
            )
        print(f"{len(alone):,} of the passes {'is' if len(alone) == 1 else 'are'} flagged by a place alone")
    unknown = len(positions) if places is None else int(np.isnan(places.scores[positions]).sum())
    if unknown:
        print(f"The places of {_count(unknown, 'image')} are not compared. {why_not}".rstrip())


def _print_captures(taken: Captures, names: dict[int, str]) -> None:
    for position, name in names.items():
        if findings := taken.scored[position]:
            print(f"capture   {show(name)}: {told(findings)}")
    if files := taken.files(list(names)):
        print(f"capture   {files_told(files)}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
