"""The ways in for images, the same for normals and for images to score."""

import os

import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.paths import folder_roots
from pages.parts.components.folder_upload import folder_upload
from pages.parts.components.who import author
from pages.parts.header import problem
from pages.parts.text import md, number, show, t, tn

FILE_TYPES = ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"]
UPLOADER_LIMIT = 200  # above, the uploader silently loses files


def intake_ways(project, role: str, *, key: str, held: bool = False) -> None:
    """Draw the ways in; what is given becomes a batch and a job at once, then the page runs anew.

    Args:
        role: "normal" or "scored".
        key: tells the widgets of one page from those of another.
        held: normals that are held out to check the limit.
    """
    ways = {"files": t("Images"), "folder": t("Folder or ZIP")}
    if folder_roots():
        ways["server"] = t("Folder on the server")
    way = st.segmented_control(
        t("How to add"),
        list(ways),
        format_func=ways.get,
        default="files",
        key=f"{key}_way",
        label_visibility="collapsed",
        required=True,
    )
    draw = {"folder": _folder, "server": _server}.get(way, _files)
    try:
        draw(project, role, key, held)
    except DN2Error as error:
        problem(error)


def _files(project, role: str, key: str, held: bool) -> None:
    turn_key = f"{key}_turn"
    turn = st.session_state.setdefault(turn_key, 0)
    if st.session_state.pop(f"{key}_too_many", None):
        st.warning(_too_many(), icon=":material/folder_open:")
    files = st.file_uploader(
        t("Up to {n} images: JPEG, PNG, BMP, TIFF or WebP", n=number(UPLOADER_LIMIT)),
        type=FILE_TYPES,
        accept_multiple_files=True,
        key=f"{key}_files_{turn}",
        max_upload_size=max(1, int(project.limits.file_bytes // 1_000_000)),
    )
    if not files:
        return
    # A new key makes the uploader forget the files, so that their bytes are freed.
    st.session_state[turn_key] = turn + 1
    if len(files) > UPLOADER_LIMIT:
        st.session_state[f"{key}_too_many"] = True
    else:
        batch = project.new_batch(role, "files", held=held, author=author())
        project.stage_many(batch, [(file.name, file) for file in files])
        project.submit(batch)
    st.rerun()


def _too_many() -> str:
    return t(
        "More than {n} images were given at once, and nothing was taken in. "
        "Put them in a folder or a ZIP and choose Folder or ZIP: any number arrives whole that way.",
        n=number(UPLOADER_LIMIT),
    )


def _folder(project, role: str, key: str, held: bool) -> None:
    lost = st.session_state.pop(f"{key}_lost", None)
    if lost:
        st.warning(md(_lost_words(lost["bad"], lost["reason"])), icon=":material/sync_problem:")
    finished = folder_upload(
        key=f"{key}_folder_{project.id}", project_id=project.id, role=role, held=held, author=author()
    )
    if finished is None:
        return
    if finished["bad"]:
        st.session_state[f"{key}_lost"] = finished
    st.rerun()


def _lost_words(names: list[str], reason: str) -> str:
    few = ", ".join(show(name) for name in names[:5])
    if len(names) > 5:
        few = t("{names} and more", names=few)
    words = tn(
        "{n} file did not arrive: {names}. Choose it again.",
        "{n} files did not arrive: {names}. Choose them again.",
        len(names),
        names=few,
    )
    return f"{words} {reason}".strip()


def _server(project, role: str, key: str, held: bool) -> None:
    roots = folder_roots()
    with st.form(f"{key}_server", border=False):
        folder = st.text_input(
            t("Folder on the server"), key=f"{key}_path", placeholder=os.path.join(str(roots[0]), "…")
        )
        st.caption(t("Below {roots}, with all its sub-folders.", roots=md(", ".join(str(root) for root in roots))))
        wanted = st.form_submit_button(t("Add the folder"), icon=":material/drive_folder_upload:", key=f"{key}_go")
    if wanted:
        batch = project.new_batch(role, "server", held=held, author=author())
        project.stage_folder(batch, folder.strip())
        project.submit(batch)
        st.rerun()
