"""Which network turns images into numbers: the choice, and where its weights are."""

import streamlit as st

from dn2core.errors import DN2Error
from dn2core.features.backbones import BACKBONES
from dn2core.features.weights import find
from pages.parts.header import backbone_title, problem
from pages.parts.service import store
from pages.parts.text import md, number, t


def backbone_choice(project) -> None:
    """The features in use and, behind one click, the others; a change encodes in the background."""
    settings, state = project.settings(), project.state()
    used = state or settings
    title = md(backbone_title(used.backbone))
    with st.expander(
        t("Features: {backbone}", backbone=title), icon=":material/hub:", key=f"dn2_features_{project.id}"
    ):
        backbone = st.selectbox(
            t("Network"),
            list(BACKBONES),
            index=_position(list(BACKBONES), used.backbone),
            format_func=lambda name: f"{BACKBONES[name].title} · {weights_words(name)}",
            key=f"dn2_backbone_{project.id}",
        )
        presets = {
            "whole": t("The whole image (recommended)"),
            "paper": t("As in the paper: shorter side to 256, middle 224 × 224"),
        }
        preset = st.radio(
            t("What the network sees"),
            list(presets),
            index=_position(list(presets), used.preset),
            format_func=presets.get,
            key=f"dn2_preset_{project.id}",
        )
        if (backbone, preset) == (used.backbone, used.preset):
            st.caption(t("In use."))
            return
        if state is not None:
            st.caption(t("All images are encoded in the background; the present features serve until then."))
        if st.button(t("Use these features"), icon=":material/sync:", key="dn2_backbone_go"):
            try:
                project.change_backbone(backbone, preset)
            except DN2Error as error:
                problem(error)
            else:
                st.rerun()


def weights_words(name: str) -> str:
    """Where the weights of a backbone are: bundled, on disk, or to be downloaded and how large."""
    status = find(name, store().weights_dir)
    if status.kind == "bundled":
        return t("bundled")
    if status.kind == "found":
        return t("found on disk")
    return t("to be downloaded, {size} MB", size=number(status.megabytes))


def _position(names: list[str], name: str) -> int:
    return names.index(name) if name in names else 0
