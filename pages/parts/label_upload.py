"""Labels from a file or from folder names: what was found first, written on Apply, people's words first."""

import pandas as pd
import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.label_table import apply_label_table, read_folders, read_label_table
from pages.parts.accounting import cell
from pages.parts.components.who import author
from pages.parts.feedback import label_word
from pages.parts.header import problem
from pages.parts.text import md, number, show, t, tn

TURN, FOLDERS, DONE, FAILED = "dn2_labels_turn", "dn2_labels_folders", "dn2_labels_done", "dn2_labels_failed"
KEEP, TAKE = "keep", "take"
LISTED = 500  # lines of a preview that a person can look through


def label_upload(project) -> None:
    """The uploader, what the file says beside what is known, and Apply."""
    _done(project)
    turn = st.session_state.setdefault(TURN, 0)
    file = st.file_uploader(
        t("A CSV file with the columns file, label and, if you like, note"),
        type=["csv", "tsv", "txt"],
        key=f"dn2_labels_file_{turn}",
        max_upload_size=64,
        help=t(
            "One line for each image. The file is named as on the Score page; the name alone is enough where it is "
            "the only one. A label is good, defect or unsure, or a word such as ok and nok, pass and fail, "
            "normal and anomalous, 0 and 1."
        ),
    )
    try:
        if file is not None:
            _preview(project, read_label_table(project, file.getvalue()), show(file.name))
        else:
            _folders(project)
    except DN2Error as error:
        problem(error)


def _folders(project) -> None:
    """Offered where scored images came in folders that are named like labels."""
    found = read_folders(project)
    n = len(found.new) + len(found.conflicts)
    if not n:
        return
    if st.session_state.get(FOLDERS) == project.id:
        _preview(project, found, t("folder names"))
        return
    names = ", ".join(dict.fromkeys(word for word, _, _ in found.words))
    st.button(
        tn("Take {n} label from folder names", "Take {n} labels from folder names", n),
        key="dn2_labels_from_folders",
        icon=":material/folder:",
        help=t("Images came in folders named {names}.", names=md(names)),
        on_click=st.session_state.update,
        args=({FOLDERS: project.id},),
    )


def _preview(project, found, source: str) -> None:
    st.markdown(f"**{_found_words(found)}**")
    st.caption(
        " · ".join(
            md(t("{word} read as {label}: {n}", word=word, label=label_word(label), n=number(n)))
            for word, label, n in found.words
        )
    )
    if found.ambiguous:
        _listed(
            tn(
                "{n} name fits several images: put the folder before it, as the Score page shows it",
                "{n} names fit several images: put the folder before them, as the Score page shows them",
                len(found.ambiguous),
            ),
            "dn2_labels_ambiguous",
            {t("File"): found.ambiguous},
        )
    if found.unknown:
        _listed(
            tn(
                "{n} file is not among the scored images and is passed over",
                "{n} files are not among the scored images and are passed over",
                len(found.unknown),
            ),
            "dn2_labels_unknown",
            {t("File"): found.unknown},
        )
    take = bool(found.conflicts) and _conflicts(found.conflicts)
    _apply_row(project, found, take, source)


def _found_words(found) -> str:
    parts = [tn("{n} new label", "{n} new labels", len(found.new))]
    if found.same:
        parts.append(tn("{n} said already", "{n} said already", len(found.same)))
    if found.conflicts:
        parts.append(
            tn("{n} against what people said", "{n} against what people said", len(found.conflicts)),
        )
    return " · ".join(parts)


def _conflicts(conflicts) -> bool:
    """Both words side by side; whether the file's are to be taken."""
    st.dataframe(
        pd.DataFrame(
            {
                t("File"): [cell(line.name) for line in conflicts[:LISTED]],
                t("People said"): [label_word(line.before.label) for line in conflicts[:LISTED]],
                t("Who"): [cell(line.before.author) or "–" for line in conflicts[:LISTED]],
                t("The file says"): [label_word(line.label) for line in conflicts[:LISTED]],
            }
        ),
        hide_index=True,
        height=min(38 + 35 * len(conflicts), 250),
        key="dn2_labels_conflicts",
        alt=t("Images about which people and the file disagree"),
    )
    choice = st.segmented_control(
        t("Where they disagree"),
        [KEEP, TAKE],
        format_func={KEEP: t("Keep what people said"), TAKE: t("Take the file's")}.get,
        default=KEEP,
        required=True,
        key="dn2_labels_prefer",
    )
    return choice == TAKE


def _apply_row(project, found, take: bool, source: str) -> None:
    n = len(found.new) + (len(found.conflicts) if take else 0)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_labels_apply_row"):
        st.button(
            tn("Apply {n} label", "Apply {n} labels", n) if n else t("Nothing to apply"),
            key="dn2_labels_apply",
            type="primary",
            icon=":material/check:",
            disabled=n == 0,
            on_click=_apply,
            args=(project, found, take, source),
        )
        st.button(t("Not now"), key="dn2_labels_drop", icon=":material/close:", on_click=_drop)


def _apply(project, found, take: bool, source: str) -> None:
    try:
        done = apply_label_table(project, found, author=author(), overwrite=take, source=source)
    except DN2Error as error:
        st.session_state[FAILED] = error
        return
    st.session_state[DONE] = (project.id, done)
    _drop()


def _drop() -> None:
    # A new key makes the uploader forget the file.
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1
    st.session_state.pop(FOLDERS, None)


def _done(project) -> None:
    failed = st.session_state.pop(FAILED, None)
    if failed is not None:
        problem(failed)
    project_id, done = st.session_state.pop(DONE, (None, None))
    if project_id != project.id:
        return
    words = [tn("{n} label was written.", "{n} labels were written.", len(done.written))]
    if done.changed:
        words.append(
            tn(
                "Meanwhile somebody decided on {n} other image, which was left as it is.",
                "Meanwhile somebody decided on {n} other images, which were left as they are.",
                len(done.changed),
            )
        )
    if done.gone:
        words.append(tn("{n} image is gone.", "{n} images are gone.", len(done.gone)))
    st.success(" ".join(words), icon=":material/check:")


def _listed(title: str, key: str, columns: dict) -> None:
    with st.expander(title, icon=":material/info:", key=f"{key}_open"):
        table = pd.DataFrame({name: [cell(value) for value in values[:LISTED]] for name, values in columns.items()})
        st.dataframe(table, hide_index=True, height=min(38 + 35 * len(table), 250), key=key, alt=title)
        more = max(0, max(len(values) for values in columns.values()) - LISTED)
        if more:
            st.caption(tn("and {n} more", "and {n} more", more))
