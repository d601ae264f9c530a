"""What happened, in words: one line for each entry of the history."""

import json
from dataclasses import fields

from dn2core.detect import form_of
from dn2core.detect.mask import IGNORE, Mask, share_looked_at
from dn2core.errors import Refused
from dn2core.features.backbones import BACKBONES
from dn2core.features.preprocess import preset_of
from dn2core.project.events import Event
from dn2core.project.settings import Settings, settings_of
from dn2core.report.say import ENGLISH, Say


def event_words(event: Event, say: Say = ENGLISH) -> str:
    """What was decided or found, as plain text of one line; names and notes in it may be hostile."""
    return _KINDS[event.kind](event, say)


def settings_before(event: Event) -> Settings | None:
    """The settings that a change replaced; None where the entry does not tell."""
    before = event.details.get("before")
    return settings_of(json.dumps(before)) if event.kind == "settings" and before else None


def changed_settings(event: Event) -> list[str]:
    """Names of the settings that the entry changed."""
    before = settings_before(event)
    if before is None:
        return []
    names = [field.name for field in fields(Settings)]
    return [name for name in names if getattr(before, name) != getattr(event.settings, name)]


def label_word(label: str, say: Say = ENGLISH) -> str:
    """What people say of an image, as words."""
    t = say.t
    words = {
        "good": t("good part"),
        "defect": t("confirmed defect"),
        "unsure": t("unsure"),
        "": t("no label"),
    }
    return words.get(label, label)


def calibration_word(name: str, say: Say = ENGLISH) -> str:
    """What limits rest on."""
    t = say.t
    words = {
        "leave_one_out": t("each normal against the others"),
        "lots": t("each normal against other lots"),
        "held_out": t("held-out normals"),
    }
    return words.get(name, name)


def backbone_word(name: str) -> str:
    """A network's title."""
    return BACKBONES[name].title if name in BACKBONES else name


def preset_word(name: str) -> str:
    """A preset's title."""
    try:
        return preset_of(name).title
    except Refused:  # of another version
        return name


def form_word(name: str) -> str:
    """A score form's title."""
    try:
        return form_of(name).title
    except Refused:
        return name


def _label(event: Event, say: Say) -> str:
    t, details = say.t, event.details
    name, word = details.get("name", ""), label_word(details["label"], say)
    if "undone" in details:
        line = t("{name}: decision taken back, now {label}", name=name, label=word)
    elif not details["label"]:
        line = t("{name}: label taken off", name=name)
    else:
        line = f"{name}: {word}"
    return f"{line} – “{' '.join(details['note'].split())}”" if details.get("note") else line


def _settings(event: Event, say: Say) -> str:
    before, names = settings_before(event), changed_settings(event)
    if not names:
        return say.t("Settings saved")
    return ", ".join(_change(name, before, event.settings, say) for name in names)


def _change(name: str, before: Settings, after: Settings, say: Say) -> str:
    old, new = (setting_value(name, one, say) for one in (before, after))
    return f"{setting_name(name, say)} {old} → {new}"


def setting_name(name: str, say: Say = ENGLISH) -> str:
    """A setting's name as people say it."""
    t = say.t
    words = {
        "backbone": t("network"),
        "preset": t("preset"),
        "normalise": t("features"),
        "k": "k",
        "form": t("score form"),
        "budget": t("false-alarm budget"),
        "reject_budget": t("budget for rejects"),
        "calibration": t("limits rest on"),
        "reduction": t("normals compared with"),
        "patches": t("places compared with"),
        "tiles": t("tiles along each side"),
        "mask": t("mask"),
    }
    return words.get(name, name)


def setting_value(name: str, settings: Settings, say: Say = ENGLISH) -> str:
    """A setting's value in words."""
    t, value = say.t, getattr(settings, name)
    if name == "normalise":
        return t("of unit length") if value else t("raw")
    if name in ("budget", "reject_budget"):
        return t("none") if value is None else say.one_in(value)
    if name == "reduction":
        return t("all") if value is None else t("fewer (choice {n})", n=say.number(value))
    if name == "patches":
        return patches_word(value, say)
    if name == "mask":
        return mask_words(value, say)
    words = {
        "backbone": backbone_word,
        "preset": preset_word,
        "form": form_word,
        "calibration": lambda word: calibration_word(word, say),
    }
    return words.get(name, str)(value)


def patches_word(name: str | None, say: Say = ENGLISH) -> str:
    """What the patches of an image are compared with."""
    t = say.t
    words = {None: t("not looked at"), "bank": t("all normals' places"), "nearest": t("its nearest normals' places")}
    return words.get(name, str(name))


def mask_words(shapes: Mask, say: Say = ENGLISH) -> str:
    """How many areas a mask has of each kind, and how much of the picture is looked at."""
    if not shapes:
        return say.t("none")
    share = say.percent(100 * share_looked_at(shapes))
    return say.t("{areas} ({share} looked at)", areas=area_words(shapes, say), share=share)


def area_words(shapes: Mask, say: Say = ENGLISH) -> str:
    """How many areas a mask has of each kind."""
    ignored = sum(kind == IGNORE for kind, _ in shapes)
    only, parts = len(shapes) - ignored, []
    if ignored:
        parts.append(say.tn("{n} area ignored", "{n} areas ignored", ignored))
    if only:
        parts.append(say.tn("{n} looked at only", "{n} looked at only", only))
    return ", ".join(parts) or say.t("none")


def _normals(event: Event, say: Say) -> str:
    t, tn, details = say.t, say.tn, event.details
    count = tn("{n} normal", "{n} normals", details["n"])
    if details.get("held"):
        count = t("{normals} and {held} held out", normals=count, held=say.number(details["held"]))
    return t(
        "Normals version {version}: {reason}; {normals}",
        version=say.number(event.version),
        reason=_cleaned(details["cleaned"], say) if "cleaned" in details else details["reason"],
        normals=count,
    )


def _cleaned(details: dict, say: Say) -> str:
    """Which normals a cleaning dropped, and where its share came from."""
    t, tn, parts = say.t, say.tn, []
    strangers, copies, share = details["strangers"], details["copies"], say.percent(100 * details["share"])
    if strangers:
        hows = {
            "automatic": t("those that stand apart and the fringe, {share}", share=share),
            "apart": t("those that stand apart, {share}", share=share),
            "half": t("the paper's half"),
            "own": t("own share, {share}", share=share),
        }
        dropped = tn("{n} normal dropped as a stranger", "{n} normals dropped as strangers", strangers)
        parts.append(f"{dropped} ({hows[details['how']]})")
    if copies:
        parts.append(tn("{n} dropped as a copy", "{n} dropped as copies", copies))
    return ", ".join(parts)


def _lots(event: Event, say: Say) -> str:
    t, details = say.t, event.details
    how = details["how"]
    if how == "none":
        return t("Lots taken off all images")
    lots = say.tn("{n} lot", "{n} lots", details["lots"])
    words = {"folder": t("Lots by folder"), "delivery": t("Lots by delivery"), "hand": t("Lots by hand")}
    kind = words.get(how) or t("Lots by {how}", how=how)
    return t("{kind}: {lots}, {images} images", kind=kind, lots=lots, images=say.number(details["images"]))


def _delivery(event: Event, say: Say) -> str:
    t, details = say.t, event.details
    if not details["scored"]:
        return _nothing_new(details, say)
    images = say.tn("{n} image scored", "{n} images scored", details["scored"])
    if details["flagged"] is None:
        return t("{images}, not judged: there was no limit", images=images)
    return t(
        "{images}: {flagged} flagged, {passed} pass; limit {limit} at k = {k}, normals version {version}",
        images=images,
        flagged=say.number(details["flagged"]),
        passed=say.number(details["scored"] - details["flagged"]),
        limit=say.raw(details["limit"]),
        k=say.number(details["k"]),
        version=say.number(event.version),
    )


def _nothing_new(details: dict, say: Say) -> str:
    """A delivery without a new image, and why, where the entry tells."""
    known, rejected = details.get("known"), details.get("rejected")
    why = []
    if known:
        why.append(say.tn("{n} file known already", "{n} files known already", known))
    if rejected:
        why.append(say.tn("{n} file rejected", "{n} files rejected", rejected))
    if not why:
        return say.t("No new image scored")
    return say.t("No new image scored: {why}", why=", ".join(why))


_KINDS = {"label": _label, "settings": _settings, "normals": _normals, "lots": _lots, "delivery": _delivery}
