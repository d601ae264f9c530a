"""What whole images and patches say of the same images, beside each other."""

import numpy as np
import plotly.graph_objects as go

from dn2core.explore.modes import FOUND, found_by
from dn2core.project.patches import by_a_place_alone
from pages.parts.look import NORMAL, REJECT, REVIEW, SELECTED, raw, template
from pages.parts.results import Cells, percents, with_places
from pages.parts.text import number, plain, show, t

_TOP = 4.0  # times the limit: farther images stand at the edge, or those near it would be squashed
_POINTS = 10_000  # images that no mode flags
_NAMES = 3_000  # images up to which each point tells its name


def found_word(name: str) -> str:
    """Which mode found an image."""
    return {
        "both": t("both"),
        "patches": t("a place alone"),
        "whole": t("whole image alone"),
        "neither": t("neither"),
    }[name]


def modes(judged, patches) -> np.ndarray:
    """(q,) which mode flags each scored image; "" where patches are not compared, or have no limit yet."""
    unknown = np.isnan(patches.scores) | np.isnan(patches.limit)
    return np.where(unknown, "", found_by(judged.flagged, patches.flagged))


def most_unusual_place_first(patches, positions: np.ndarray) -> np.ndarray:
    """These positions by the score of their patches, those not compared yet last."""
    return positions[np.argsort(-np.nan_to_num(patches.scores[positions], nan=-np.inf), kind="stable")]


def mode_cells(shown, judged, patches, positions: np.ndarray) -> Cells:
    """Scored images at these positions, captioned by both modes."""
    found, multiples = modes(judged, patches), patches.multiples
    whole = judged.verdicts[positions].tolist()  # where a place flags nothing, that of the whole image stands
    if patches.limit > 0:
        # Two digits: what lies just beyond the limit must not read like what lies on it.
        places = [t("{value} x", value=number(one, 2)) for one in multiples[positions].tolist()]
    else:
        places = [raw(one) for one in patches.scores[positions].tolist()]
    captions = [
        f"{t('not compared') if score != score else place} · {share}"
        for place, share, score in zip(
            places, percents(judged.percentiles[positions]), patches.scores[positions].tolist(), strict=True
        )
    ]
    pictures = Cells(
        ids=shown.scored.ids[positions].tolist(),
        captions=captions,
        tones=[
            "reject" if word == "both" else tone for word, tone in zip(found[positions].tolist(), whole, strict=True)
        ],
        details=[show(shown.scored.names[at]) for at in positions.tolist()],
    )
    return with_places(pictures, by_a_place_alone(judged, patches)[positions])


def both_modes(shown, judged, patches, *, height: int = 380) -> go.Figure:
    """Each scored image by both scores in units of their limits; what lies beyond a line is flagged by that mode."""
    whole = judged.scores / judged.limit if judged.limit > 0 else np.full(len(judged.scores), np.nan)
    place, found = patches.multiples, np.where(_drawn(judged, patches), modes(judged, patches), "")
    figure = go.Figure()
    for name, colour, sign in zip(
        FOUND, (REJECT, SELECTED, REVIEW, NORMAL), ("diamond", "triangle-up", "square", "circle"), strict=True
    ):
        here = np.flatnonzero((found == name) & np.isfinite(whole))
        names = [plain(show(shown.scored.names[at])) for at in here] if len(place) <= _NAMES else None
        figure.add_scattergl(
            x=np.minimum(whole[here], _TOP),
            y=np.minimum(place[here], _TOP),
            mode="markers",
            name=found_word(name),
            marker={"color": colour, "symbol": sign, "size": 9, "opacity": 0.8},
            hovertext=names,
            hoverinfo="text" if names else "skip",
            customdata=shown.scored.ids[here],
        )
    style = {"line": {"color": REJECT, "width": 1.5, "dash": "dash"}}
    for add, limit in ((figure.add_vline, judged.limit), (figure.add_hline, patches.limit)):
        add(
            1, annotation={"text": t("limit {value}", value=raw(limit)), "font": {"color": REJECT, "size": 12}}, **style
        )
    figure.update_layout(
        template=template(),
        height=height,
        clickmode="event+select",
        showlegend=True,
        legend={"orientation": "h", "y": 1.04, "yanchor": "bottom", "x": 0, "itemclick": False},
        margin={"t": 48},
    )
    figure.update_xaxes(
        title=t("whole image: score in units of its limit ({top} and more at the edge)", top=number(_TOP)),
        range=_span(whole),
    )
    figure.update_yaxes(title=t("most unusual place: score in units of its limit"), range=_span(place))
    return figure


def _span(multiples: np.ndarray) -> tuple[float, float]:
    """Of an axis: all images and the limit, with air around. Good parts lie close below the limit, not near 0."""
    shown = np.append(np.minimum(multiples[np.isfinite(multiples)], _TOP), 1)
    air = max(0.1 * np.ptp(shown), 0.05)
    return float(shown.min() - air), float(shown.max() + air)


def _drawn(judged, patches) -> np.ndarray:
    """(q,) bool: those that either mode flags, and of very many others as many as a browser draws at once."""
    flagged = judged.flagged | patches.flagged
    rest = np.flatnonzero(~flagged)
    step = -(-len(rest) // _POINTS) if len(rest) else 1
    flagged[rest[::step]] = True
    return flagged
