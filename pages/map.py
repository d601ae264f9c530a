"""Map: what looks alike to the network lies together."""

import numpy as np
import streamlit as st

from dn2core.errors import DN2Error
from dn2core.project.patches import by_a_place_alone, patch_view
from pages.parts import areas
from pages.parts.accounting import source_word
from pages.parts.browse import browse
from pages.parts.charts import PLOTLY_POINTS, Colours, by_score, by_source, by_verdict, map_config, map_figure
from pages.parts.components.map_canvas import map_canvas
from pages.parts.detail import open_detail
from pages.parts.header import empty_state, moment, need_project, problem, project_header
from pages.parts.impact import changed_normals
from pages.parts.jobs import job_panel, last_failure
from pages.parts.look import dark
from pages.parts.opened import wanted_image
from pages.parts.results import all_scores, item_cells, judged_item, rows_of, with_places
from pages.parts.service import current_project, past, snapshot, store
from pages.parts.text import language, md, number, t, tn

AROUND = 24  # images that a click on the map shows: the one clicked and what lies nearest
HEIGHT = 560
TURN = "dn2_map_turn"  # counts what was cleared: only a new chart forgets the area drawn on it


def map_page() -> None:
    project = current_project()
    need_project(project)
    shown = snapshot(project)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.title(t("Map"), anchor=False)
    project_header(project, shown)
    changed_normals(project)
    if shown is None:
        busy = job_panel(project, ("intake", "reencode"))
        if not busy:
            empty_state(
                t("No normals yet"),
                t("The map shows which images look alike. Give images of good parts first."),
                t("Go to Normals"),
                "normals",
                icon=":material/scatter_plot:",
            )
        return
    busy = job_panel(project, ("map",))
    if not busy:
        last_failure(project, "map")
    table, judged = _table(project, shown), shown.judge()
    wanted = wanted_image()
    if wanted is not None and judged_item(shown, judged, wanted) is not None:
        selected = _selected(table)
        order = table.ids[selected if selected is not None else slice(None)].tolist()
        open_detail(project, shown, wanted, order, judged)
        return
    if wanted is not None:
        problem("NOT_FOUND", {"what": t("The image")})
    _how_drawn(shown, table, busy)
    if not past():
        with right.container(horizontal=True, horizontal_alignment="right"):
            _draw_button(project, table, busy)
    _explore(project, shown, judged, table)


def _table(project, shown):
    """The map as it stands, of the very images that the page judges; kept until images come or a map is drawn."""
    newest = max((job.id for job in store().jobs.recent(project.id) if job.kind == "map"), default=0)
    return _kept_table(project, shown, repr((shown.generation, newest)))


@st.cache_resource(max_entries=4, show_spinner=t("Laying out the map"))
def _kept_table(_project, _shown, key: str):
    return _project.map(_shown)


def _how_drawn(shown, table, busy: bool) -> None:
    if table.kind == "umap":
        words = t(
            "Near means alike: images that look the same to the network lie together. Drawn with UMAP {moment}.",
            moment=moment(table.made_at),
        )
    else:
        words = t("Near means alike, roughly: the two main directions in which the images differ (PCA).")
        if busy:
            words += " " + t("It stands in until the UMAP map is ready.")
        elif table.reason:
            words += " " + _reason(table.reason)
        else:
            words += " " + t("It stands in until a map is drawn with UMAP.")
    new = int(table.placed.sum())
    if new:
        words += " " + tn(
            "{n} image came later and was placed between the images it resembles; no point moved.",
            "{n} images came later and were placed between the images they resemble; no point moved.",
            new,
        )
    if shown.reduced:
        words += " " + tn(
            "{n} normal that images are not compared with is not drawn; the Normals page shows it.",
            "{n} normals that images are not compared with are not drawn; the Normals page shows them.",
            len(shown.apart),
        )
    st.caption(md(words))


def _reason(reason: str) -> str:
    known = {
        "UMAP needs at least 10 images.": t("UMAP needs at least 10 images."),
        "UMAP gave no usable map for these images.": t("UMAP gave no usable map for these images."),
        "All images look the same to the network, so there is no neighbourhood to draw.": t(
            "All images look the same to the network, so there is no neighbourhood to draw."
        ),
    }
    return known.get(reason, "")


def _draw_button(project, table, busy: bool) -> None:
    again = table.kind == "umap"
    if st.button(
        t("Draw the map anew") if again else t("Draw the map with UMAP"),
        key="dn2_draw_map",
        type="secondary" if again else "primary",
        icon=":material/scatter_plot:",
        disabled=busy,
        help=t("Draws all images afresh in the background; points will move.")
        if again
        else t("Runs in the background, about a minute for ten thousand images."),
    ):
        try:
            project.submit_map()
        except DN2Error as error:
            problem(error)
        else:
            st.rerun()


@st.fragment
def _explore(project, shown, judged, table) -> None:
    """The map with its colours, and the gallery of what was chosen on it."""
    by, places = _colour_choice(), patch_view(project, shown)
    alone = by_a_place_alone(judged, places)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _draw(project, shown, judged, table, by, alone, places and places.key)
    with right:
        _selection(project, shown, judged, table, alone)


def _colour_choice() -> str:
    ways = {"verdict": t("Verdict"), "score": t("Score"), "source": t("Source")}
    wanted = st.query_params.get("colour", "verdict")
    if st.session_state.get("dn2_colour") is None:
        st.session_state["dn2_colour"] = wanted if wanted in ways else "verdict"
    return st.segmented_control(
        t("Colour by"), list(ways), format_func=ways.get, key="dn2_colour", required=True, on_change=_coloured
    )


def _coloured() -> None:
    if st.session_state["dn2_colour"] in (None, "verdict"):
        st.query_params.pop("colour", None)
    else:
        st.query_params["colour"] = st.session_state["dn2_colour"]


def _draw(project, shown, judged, table, by: str, alone: np.ndarray, compared: tuple | None) -> None:
    """`alone`: (q,) bool, flagged by a place alone; `compared` is another one whenever that changed."""
    alt = t("Map of the images; the ones chosen on it are shown as a gallery below")
    key = (shown.generation, judged.k, compared, table.made_at, table.kind, by, language(), st.context.timezone)
    if len(table.ids) > PLOTLY_POINTS:
        _canvas(project, shown, judged, table, by, alone, repr(key))
        return
    st.plotly_chart(
        _figure(project, shown, judged, table, by, alone, repr((key, len(table.ids), dark()))),
        theme=None,
        config=map_config(),
        key=_chart_key(project),
        on_select=lambda: _chosen(table, st.session_state.get(_chart_key(project))),
        selection_mode=("points", "box", "lasso"),
        alt=alt,
    )


def _chart_key(project) -> str:
    return f"dn2_map_{project.id}_{st.session_state.get(TURN, 0)}"


@st.cache_resource(max_entries=8, show_spinner=False)
def _figure(_project, _shown, _judged, _table, by: str, _alone, key: str):
    # The very same figure again: any change of it would drop the selection in the browser.
    return map_figure(_table.xy, _colours(_project, _shown, _judged, by, _alone), height=HEIGHT)


def _canvas(project, shown, judged, table, by: str, alone, key: str) -> None:
    x, y, colours = _points(project, shown, judged, table, by, alone, key)
    event = map_canvas(
        key=_chart_key(project),
        x=x,
        y=y,
        colour=colours.codes.tobytes(),
        palette=list(colours.palette),
        height=HEIGHT,
        texts=_canvas_texts(colours),
    )
    if event and event.get("polygon"):
        _remember(table, [areas.from_grid(np.array(event["polygon"]), table.xy)])
    elif event and event.get("clicked") is not None:
        _remember(table, point=int(event["clicked"]))


@st.cache_resource(max_entries=4, show_spinner=False)
def _points(_project, _shown, _judged, _table, by: str, _alone, key: str):
    x, y = areas.to_grid(_table.xy)
    return x.tobytes(), y.tobytes(), _colours(_project, _shown, _judged, by, _alone)


def _canvas_texts(colours: Colours) -> dict:
    return {"legend": list(colours.names), "ticks": [list(tick) for tick in colours.ticks]}


def _colours(project, shown, judged, by: str, alone: np.ndarray) -> Colours:
    if by == "score":
        return by_score(all_scores(shown, judged), judged.limit)
    if by == "source":
        batches = np.concatenate([shown.normals.batches, shown.scored.batches])
        labels = {batch.id: _source(batch) for batch in project.batches()}
        present, codes = np.unique(batches, return_inverse=True)
        return by_source([labels.get(one, t("unknown")) for one in present.tolist()], codes)
    return by_verdict(np.where(alone, "place", judged.verdicts), len(shown.normals))


def _source(batch) -> str:
    role = t("normals") if batch.role == "normal" else t("scored")
    return f"{role}: {source_word(batch.source)}, {moment(batch.created)}"


def _chosen(table, event) -> None:
    """Keep in the address what was chosen on the plotly map; an empty choice clears it."""
    selection = (event or {}).get("selection") or {}
    drawn = [*selection.get("lasso", []), *_corners(selection.get("box", []))]
    polygons = [np.column_stack([one["x"], one["y"]]).astype(np.float64) for one in drawn]
    if polygons:
        _remember(table, polygons)
        return
    points = [point["point_index"] for point in selection.get("points", []) if point.get("curve_number") == 0]
    _remember(table, point=points[0] if points else None)


def _corners(boxes: list[dict]) -> list[dict]:
    """Boxes, given by two opposite corners, as polygons."""
    return [
        {"x": [x1, x2, x2, x1], "y": [y1, y1, y2, y2]}
        for (x1, x2), (y1, y2) in ((sorted(box["x"]), sorted(box["y"])) for box in boxes)
    ]


def _remember(table, polygons: list | None = None, point: int | None = None) -> None:
    for name in ("area", "point"):
        st.query_params.pop(name, None)
    if polygons:
        # An area means something on its own map only: the number goes with it.
        st.query_params["area"] = f"{table.id}.{areas.encode(polygons, table.xy)}"
    elif point is not None and 0 <= point < len(table.ids):
        st.query_params["point"] = str(table.ids[point])


def _clear(table) -> None:
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1
    _remember(table)


def _selected(table) -> np.ndarray | None:
    """Rows of the map that the address names; None when it names none."""
    if "area" in st.query_params:
        map_id, _, word = st.query_params["area"].partition(".")
        polygons = areas.decode(word, table.xy) if map_id == str(table.id) else []
        if polygons:
            return np.flatnonzero(np.any([areas.inside(one, table.xy) for one in polygons], axis=0))
    word = st.query_params.get("point", "")
    at = np.flatnonzero(table.ids == int(word)) if word.isascii() and word.isdecimal() and len(word) < 19 else []
    if len(at):
        away = np.sum((table.xy - table.xy[at[0]]) ** 2, axis=1)
        away[at[0]] = -1
        return np.argsort(away, kind="stable")[:AROUND]
    return None


def _selection(project, shown, judged, table, alone: np.ndarray) -> None:
    rows = _selected(table)
    if rows is None:
        st.caption(
            t(
                "Click a point to see what lies around it, or draw around a group (with the lasso above the map): "
                "its images come here."
            )
        )
        return
    if "area" in st.query_params:
        words = tn("{n} image chosen", "{n} images chosen", len(rows))
    else:
        words = t("The image clicked, and the {n} that lie nearest to it", n=number(len(rows) - 1))
    with st.container(horizontal=True, vertical_alignment="center", key="dn2_chosen"):
        st.markdown(f"##### {words}", width="content")
        st.button(
            t("Clear"),
            key="dn2_clear",
            type="tertiary",
            icon=":material/close:",
            on_click=_clear,
            args=(table,),
        )
    if len(rows) == 0:
        st.caption(t("No image lies in that area."))
        return
    ids = table.ids[rows]
    if "area" in st.query_params:  # around a clicked point the nearest come first
        ids = _by_score(shown, judged, ids)
    by_place = np.concatenate([np.zeros(len(shown.normals), bool), alone])[rows_of(shown, ids)]
    pictures = with_places(item_cells(shown, judged, ids), by_place)
    browse(project, pictures, key="dn2_map_gallery", height=HEIGHT - 70, cell=108)


def _by_score(shown, judged, ids: np.ndarray) -> np.ndarray:
    """Ids, the most unusual first."""
    scores = np.nan_to_num(all_scores(shown, judged), nan=-np.inf)
    return ids[np.argsort(-scores[rows_of(shown, ids)], kind="stable")]


map_page()
