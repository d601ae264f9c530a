"""Lots: said of images by folder, delivery, pattern on names, table or hand, each seen before it is applied."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st

from dn2core.detect.lots import LotsRead, lots_by_folder, lots_by_pattern
from dn2core.errors import DN2Error
from dn2core.project.lot_verdicts import all_normals
from dn2core.project.lots import (
    clear_lots,
    delivery_lots,
    lots_from_deliveries,
    lots_from_folders,
    lots_from_pattern,
    lots_from_table,
    read_lots,
)
from dn2core.project.snapshot import Items
from pages.parts.components.who import author
from pages.parts.header import problem
from pages.parts.lot_by_hand import by_hand
from pages.parts.text import md, number, show, t, tn

FAILED = "dn2_lots_failed"
DONE = "dn2_lots_done"  # (project id, words)
TABLE_MEGABYTES = 60
MARKS = 4  # in a name; with more of them a pattern is no longer simple
SHOWN = 50  # lots and files that are listed; beyond, their number is told


def lots_panel(project, shown) -> None:
    """Which lots are known, and the ways to name them."""
    items = _items(shown)
    known = [lot for _, lot in items]
    _said(project)
    if any(known):
        st.caption(_known_words(known))
        _table(lot_table(items), "dn2_lots_known")
        st.button(
            t("Forget all lots"),
            key="dn2_lots_clear",
            icon=":material/layers_clear:",
            type="tertiary",
            on_click=_do,
            args=(project, t("No image belongs to a lot any more."), clear_lots),
        )
    else:
        st.caption(
            t(
                "A lot is a batch, a day, a camera: images that were made together and resemble each other for it. "
                "With lots known, each is judged as a whole, and the limit can be checked against good parts of "
                "another lot."
            )
        )
    ways = {
        "folder": t("By folder"),
        "delivery": t("By delivery"),
        "pattern": t("By a pattern on names"),
        "table": t("By a table"),
        "hand": t("By hand"),
    }
    way = st.segmented_control(
        t("How lots are told"), list(ways), format_func=ways.get, default="folder", key="dn2_lots_way", required=True
    )
    if way == "hand":
        by_hand(project, shown, _do)
    else:
        draw = {"folder": _by_folder, "delivery": _by_delivery, "pattern": _by_pattern, "table": _by_table}
        draw[way](project, shown)


def lot_table(items: Sequence[tuple[str, str | None]], names: Sequence[str] | None = None) -> pd.DataFrame:
    """One row for each lot: images in each role and, with names, one for example; those of no lot last.

    Args:
        items: (role, lot) of each image, the role being "normal", "held" or "scored".
    """
    counts: dict[str | None, Counter] = {}
    examples: dict[str | None, str] = {}
    for at, (role, lot) in enumerate(items):
        counts.setdefault(lot, Counter())[role] += 1
        if names is not None:
            examples.setdefault(lot, names[at])
    lots = sorted(counts, key=lambda lot: (lot is None, lot))
    roles = {"normal": t("Normals"), "held": t("Held out"), "scored": t("Scored")}
    table = {t("Lot"): [t("none") if lot is None else show(lot) for lot in lots]}
    for role, word in roles.items():
        if role != "held" or any(counts[lot][role] for lot in lots):
            table[word] = [counts[lot][role] for lot in lots]
    if names is not None:
        table[t("For instance")] = [show(examples[lot]) for lot in lots]
    return pd.DataFrame(table)


def simple_pattern(name: str) -> str:
    """A pattern that finds what stands before the last _ or - of a file's name; "" where nothing does.

    >>> simple_pattern("mon/L7_left_01.png")
    '(*_*)_*'
    """
    stem = PurePosixPath(name.replace("\\", "/")).stem
    at = max(stem.rfind("_"), stem.rfind("-"))
    if at < 1:
        return ""
    # A * takes as little as it can, so each mark like the last one is named.
    mark = stem[at]
    pattern = f"({mark.join('*' * (stem.count(mark)))}){mark}*"
    fits = stem.count(mark) <= MARKS and lots_by_pattern([name], pattern) == [stem[:at]]
    return pattern if fits else ""


def little_told(roles: Sequence[str], lots: Sequence[str | None]) -> str:
    """Why lots would tell nothing: there is but one, or every image is its own; "" where they may tell something.

    A limit rests on the normals, so theirs are looked at, too.
    """
    known = [lot for lot in lots if lot]
    normals = [lot for role, lot in zip(roles, lots, strict=True) if role == "normal"]
    if len(set(known)) == 1:
        return t("That gives only 1 lot, so nothing tells how another lot would score. Two are needed.")
    if len(set(known)) == len(known):
        return t("That gives as many lots as images: each would be a lot of its own, which tells nothing of lots.")
    if len(normals) > 1 and len(set(normals)) == 1:
        return t("All normals would belong to one lot, so nothing tells how another lot would score. Two are needed.")
    if len(normals) > 1 and all(normals) and len(set(normals)) == len(normals):
        return t("Each normal would be a lot of its own, which tells nothing of lots.")
    return ""


def _tells_little(shown, lots: list[str | None]) -> None:
    words = little_told([role for role, _ in _items(shown)], lots)
    if words:
        st.warning(words, icon=":material/warning:")


def _known_words(known: list[str | None]) -> str:
    lots = len({lot for lot in known if lot})
    told = t("{n} of {all} images belong to a lot.", n=number(sum(map(bool, known))), all=number(len(known)))
    return f"{tn('{n} lot is known', '{n} lots are known', lots)}. {told}"


def _items(shown) -> list[tuple[str, str | None]]:
    return [(role, lot) for role, items in _sets(shown).items() for lot in items.lots]


def _sets(shown) -> dict[str, Items]:
    """All images in use by their role."""
    return {"normal": all_normals(shown), "held": shown.held, "scored": shown.scored}


def _names(shown) -> list[str]:
    return [name for items in _sets(shown).values() for name in items.names]


def _by_folder(project, shown) -> None:
    lots = lots_by_folder(_names(shown))
    if not any(lots):
        st.markdown(
            t("No image came in a folder, so folders tell no lots. Use a pattern on the names, or a table of files.")
        )
        return
    _preview(shown, lots)
    _tells_little(shown, lots)
    _go(project, t("Each folder is a lot"), lots_from_folders)


def _by_delivery(project, shown) -> None:
    batches = [batch for items in _sets(shown).values() for batch in items.batches.tolist()]
    names = delivery_lots(project, batches)
    lots = [names[batch] for batch in batches]
    _preview(shown, lots)
    _tells_little(shown, lots)
    _go(project, t("Each delivery is a lot"), lots_from_deliveries)


def _by_pattern(project, shown) -> None:
    first = _names(shown)[0]
    usual = simple_pattern(first)
    pattern = st.text_input(
        t("Pattern on file names"),
        key="dn2_lots_pattern",
        max_chars=200,
        placeholder=usual or "(*)_*",
        help=t(
            "\\* stands for any characters, ? for one; the parentheses hold the lot. "
            "(\\*)\\_\\* finds L7 in L7_01.png. With a slash in it the pattern is for the whole path."
        ),
    )
    if not pattern:
        words = t("For instance the name {name}", name=md(show(first)))
        if usual:
            found = lots_by_pattern([first], usual)[0]
            words = f"{words}: {t('{pattern} finds {lot}', pattern=md(usual), lot=md(show(found)))}"
        st.caption(words)
        return
    try:
        lots = lots_by_pattern(_names(shown), pattern)
    except DN2Error as error:
        problem(error)
        return
    _preview(shown, lots)
    _tells_little(shown, lots)
    _go(project, t("Use this pattern"), lambda project, author: lots_from_pattern(project, pattern, author=author))


def _by_table(project, shown) -> None:
    turn = st.session_state.setdefault("dn2_lots_turn", 0)
    file = st.file_uploader(
        t("A CSV file with the columns file and lot"),
        type=["csv", "tsv", "txt"],
        key=f"dn2_lots_table_{turn}",
        max_upload_size=TABLE_MEGABYTES,
    )
    if file is None:
        return
    data = file.getvalue()
    items = [
        (item_id, image_id, name)
        for part in _sets(shown).values()
        for item_id, image_id, name in zip(part.ids.tolist(), part.image_ids.tolist(), part.names, strict=True)
    ]
    try:
        read = read_lots(data, items)
    except DN2Error as error:
        problem(error)
        return
    _not_found(read)
    if any(read.lots):
        st.caption(t("Images of which the table says nothing keep the lot that they have."))
        _preview(shown, read.lots)
    none_known = (
        "" if any(read.lots) else t("No file in the table names a single image of this project, so it tells no lots.")
    )
    _go(project, t("Use this table"), lambda project, author: _use_table(project, data, turn, author), none_known)


def _use_table(project, data: bytes, turn: int, author: str) -> None:
    lots_from_table(project, data, author=author)
    st.session_state["dn2_lots_turn"] = turn + 1  # a new key: the uploader lets the file go


def _not_found(read: LotsRead) -> None:
    """Files of a table that are no image here, and those that are several: listed, never passed over."""
    for files, words, key in (
        (
            read.unknown,
            tn("{n} file in the table is no image here", "{n} files in the table are no image here", len(read.unknown)),
            "dn2_lots_unknown",
        ),
        (
            read.ambiguous,
            tn(
                "{n} file in the table is several images here: write it with its folder",
                "{n} files in the table are several images here: write them with their folders",
                len(read.ambiguous),
            ),
            "dn2_lots_ambiguous",
        ),
    ):
        if files:
            st.warning(f"{words}.", icon=":material/help:")
            _table(pd.DataFrame({t("File"): [show(name) for name in files]}), key)


def _preview(shown, lots: list[str | None]) -> None:
    roles = [role for role, _ in _items(shown)]
    found = len({lot for lot in lots if lot})
    silent = sum(lot is None for lot in lots)
    words = tn("Finds {n} lot", "Finds {n} lots", found)
    if silent:
        words += f"; {tn('{n} image belongs to none', '{n} images belong to none', silent)}"
    st.markdown(f"{words}.")
    _table(lot_table(list(zip(roles, lots, strict=True)), _names(shown)), "dn2_lots_preview")


def _table(table: pd.DataFrame, key: str) -> None:
    st.dataframe(
        table.head(SHOWN), hide_index=True, height=38 + 35 * min(len(table), 6), key=key, alt=" · ".join(table.columns)
    )
    if len(table) > SHOWN:
        st.caption(t("The first {shown} of {n}.", shown=number(SHOWN), n=number(len(table))))


def _go(project, label: str, how: Callable, why_not: str = "") -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="dn2_lots_go_row"):
        st.button(
            label,
            key="dn2_lots_go",
            icon=":material/check:",
            disabled=bool(why_not),
            on_click=_do,
            args=(project, t("Lots are named; verdicts and forecasts follow."), how),
        )
        if why_not:
            st.caption(why_not, width="content")


def _do(project, words: str, how: Callable) -> None:
    try:
        how(project, author=author())
    except DN2Error as error:
        st.session_state[FAILED] = error
    else:
        st.session_state[DONE] = (project.id, words)


def _said(project) -> None:
    failed = st.session_state.pop(FAILED, None)
    if failed is not None:
        problem(failed)
    project_id, words = st.session_state.pop(DONE, (None, None))
    if project_id == project.id:
        st.markdown(f":material/check: {words}")
