"""The choice on trial on the Tune page. It lives in the address until it is applied."""

from dataclasses import replace

import streamlit as st

from dn2core.detect import FORMS
from dn2core.features.backbones import BACKBONES
from dn2core.project.settings import K_MAX, PRESETS, Settings
from pages.parts.forms import form_words
from pages.parts.header import backbone_title
from pages.parts.text import number, t

PARAMS = ("k", "unit", "form", "preset", "network")


def draft_of(saved: Settings) -> Settings:
    """What is in use, with what the address puts on trial; what makes no sense there counts as not given."""
    params = st.query_params
    k, form = params.get("k", ""), params.get("form", saved.form)
    preset, network = params.get("preset", saved.preset), params.get("network", saved.backbone)
    return replace(
        saved,
        k=int(k) if k.isascii() and k.isdecimal() and len(k) < 4 and 1 <= int(k) <= K_MAX else saved.k,
        normalise={"1": True, "0": False}.get(params.get("unit", ""), saved.normalise),
        form=form if form in FORMS else saved.form,
        preset=preset if preset in {one.preset for one in PRESETS.values()} else saved.preset,
        backbone=network if network in BACKBONES else saved.backbone,
    )


def try_out(saved: Settings, **change) -> None:
    """Put a choice on trial; what equals the choice in use leaves no trace in the address."""
    draft = replace(draft_of(saved), **change)
    for name, value, used in (
        ("k", str(draft.k), draft.k == saved.k),
        ("unit", str(int(draft.normalise)), draft.normalise == saved.normalise),
        ("form", draft.form, draft.form == saved.form),
        ("preset", draft.preset, draft.preset == saved.preset),
        ("network", draft.backbone, draft.backbone == saved.backbone),
    ):
        if used:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value


def forget() -> None:
    """Nothing is on trial any more."""
    for name in PARAMS:
        st.query_params.pop(name, None)


def of_preset(preset: Settings) -> dict:
    """What a preset puts on trial."""
    return {name: getattr(preset, name) for name in ("k", "normalise", "form", "preset", "backbone")}


def features_of(settings: Settings) -> tuple[str, str]:
    """What needs all images to be encoded anew: the network and what it sees."""
    return settings.backbone, settings.preset


def needs_encoding(saved: Settings, draft: Settings) -> bool:
    """Whether nothing can be said of a draft before all images are encoded anew."""
    return features_of(draft) != features_of(saved)


def shows_more_than_k(drawn: Settings, draft: Settings) -> bool:
    """Whether a page drawn for one draft shows anything besides k that another draft makes untrue."""
    return replace(draft, k=drawn.k) != drawn


def choice(saved: Settings, draft: Settings) -> str:
    """How a draft differs from what is in use, in few words (plain text)."""
    parts = []
    if draft.k != saved.k:
        parts.append(t("k = {k}", k=number(draft.k)))
    if draft.normalise != saved.normalise:
        parts.append(t("unit length") if draft.normalise else t("raw distances"))
    if draft.form != saved.form:
        parts.append(form_words(draft.form).title)
    if draft.backbone != saved.backbone:
        parts.append(backbone_title(draft.backbone))
    if draft.preset != saved.preset:
        parts.append(t("the whole image") if draft.preset == "whole" else t("the paper's crop"))
    return ", ".join(parts)
