"""The jiggle test on the pages: how steady one score is, and what handling takes of the false-alarm budget."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dn2core.errors import DN2Error
from dn2core.explore.jiggle import FAMILIES, KINDS, LIGHT, SHIFT, TURNS, Handling, Spread
from dn2core.project.jiggle import NORMALS, Measured, jiggle_image, last_jiggle, submit_jiggle
from pages.parts.charts import second_line
from pages.parts.evaluation_charts import line_colour
from pages.parts.header import moment, problem
from pages.parts.jobs import job_panel, last_failure
from pages.parts.look import NORMAL, PASS, REJECT, dark, limit_line, one_in, percent, plot_config, raw, template
from pages.parts.service import past
from pages.parts.text import number, t, tn

ASKED = "dn2_steady_asked"
HARDLY = 0.25  # of the budget: below, handling is no matter


def jiggle_bar(project, shown, judged, one) -> None:
    """For the opened picture: on demand the spread of its score under small changes, and whether the verdict holds.

    Args:
        one: the image, as `judged_item` gives it.
    """
    if judged.limit == judged.limit:
        st.fragment(_bar)(project, shown, judged, one.item_id)


def _bar(project, shown, judged, item_id: int) -> None:
    key = repr((shown.generation, item_id, judged.k, judged.limit))
    if st.session_state.get(ASKED) != key:
        st.button(
            t("How steady is this score?"),
            key="dn2_steady",
            icon=":material/vibration:",
            type="tertiary",
            help=f"{_changes_help()} {t('No file is changed.')}",
            on_click=_ask,
            args=(key,),
        )
        return
    try:
        with st.spinner(t("Judging {n} slightly changed versions; the first time takes longer", n=number(len(KINDS)))):
            spread = _spread(project, shown, judged, item_id, key)
    except DN2Error as error:
        problem(error)
        return
    icon = ":material/check_circle:" if spread.holds else ":material/help:"
    st.markdown(f"{icon} {steady_words(spread)}", help=_changes_help())
    st.plotly_chart(
        spread_figure(spread),
        theme=None,
        config=plot_config(),
        key="dn2_steady_chart",
        alt=t("The score under each small change, with the limit and the score as taken"),
    )
    if (spread.resampled > spread.limit) != spread.flagged:
        st.caption(
            t("Turned there and back, so lying as it lay, the verdict is the other one, too: mistrust the turns.")
        )


@st.cache_resource(max_entries=64, show_spinner=False)
def _spread(_project, _shown, _judged, item_id: int, key: str) -> Spread:
    return jiggle_image(_project, _shown, item_id, _judged)


def _ask(key: str) -> None:
    st.session_state[ASKED] = key


def steady_words(spread: Spread) -> str:
    """Whether the verdict holds, in a sentence."""
    flips, n = number(len(spread.flipped)), number(len(spread.scores))
    if spread.holds and spread.flagged:
        return t("Stays flagged under all {n} small changes.", n=n)
    if spread.holds:
        return t("Passes under all {n} small changes as well.", n=n)
    if spread.flagged:
        return t("**Would pass under {flips} of {n}** small changes: look at it yourself.", flips=flips, n=n)
    return t("**Would be flagged under {flips} of {n}** small changes: look at it yourself.", flips=flips, n=n)


def spread_figure(spread: Spread) -> go.Figure:
    """A row for each family of changes: the scores and their span, with the limit and the score as taken."""
    figure = go.Figure()
    families = list(dict.fromkeys(FAMILIES))
    rows = {family: at for at, family in enumerate(reversed(families))}
    for family in families:
        scores = [spread.scores[kind] for kind, of in zip(KINDS, FAMILIES, strict=True) if of == family]
        figure.add_scatter(
            x=[min(spread.score, *scores), max(spread.score, *scores)],
            y=[rows[family]] * 2,
            mode="lines",
            line={"color": NORMAL, "width": 6},
            opacity=0.35,
            hoverinfo="skip",
        )
    scores = np.array([spread.scores[kind] for kind in KINDS])
    beyond = scores > spread.limit
    figure.add_scatter(
        x=scores,
        y=[rows[family] for family in FAMILIES],
        mode="markers",
        marker={
            "size": 9,
            "color": np.where(beyond, REJECT, PASS),
            "symbol": np.where(beyond, "diamond", "circle"),
            "line": {"width": 0},
        },
        text=[f"{kind_word(kind)}: {raw(score)}" for kind, score in zip(KINDS, scores, strict=True)],
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_layout(template=template(), height=210, margin={"t": 24})
    figure.update_xaxes(title=t("how unusual (score)"), nticks=6)
    figure.update_yaxes(
        tickvals=list(rows.values()),
        ticktext=[family_word(family) for family in rows],
        range=[-0.6, len(rows) + 0.1],
        showgrid=False,
        zeroline=False,
    )
    limit_line(figure, spread.limit)
    ink = "#E6E8EB" if dark() else "#1F2630"
    words = t("this image {value}", value=raw(spread.score))
    return second_line(figure, spread.score, words, ink, left=spread.score < spread.limit)


def jiggle_panel(project, shown) -> None:
    """For the Capture page: what handling does to the normals, measured on demand by a job."""
    st.markdown(
        f"#### {t('How much of it is handling?')}",
        help=f"{_changes_help()} {t('Each normal is compared with the others, without itself.')}",
    )
    judged = shown.judge() if shown is not None else None
    if judged is None or judged.limit != judged.limit:
        st.markdown(t("With fewer than two normals there is no limit yet that handling could cross."))
        return
    busy = not past() and job_panel(project, ("jiggle",))
    if not past() and not busy:
        last_failure(project, "jiggle")
    measured = last_jiggle(project, shown)
    if measured is None:
        st.caption(
            t(
                "Good parts that lie a little askew, or under a lamp that has aged, can cross the limit though nothing "
                "is wrong with them. Measured on up to {n} of your normals, in about a minute.",
                n=number(NORMALS),
            )
        )
    else:
        _measured(measured, judged.budget)
    if not past():
        st.button(
            t("Jiggle the normals") if measured is None else t("Measure anew"),
            key="dn2_jiggle",
            icon=":material/vibration:",
            type="secondary" if measured is None or not measured.fits else "tertiary",
            disabled=busy,
            on_click=submit_jiggle,
            args=(project,),
        )


def _measured(measured: Measured, budget: float) -> None:
    found = measured.found
    st.markdown(handling_words(found, budget))
    st.markdown(f":material/lightbulb: {advice_words(found, budget)}")
    st.plotly_chart(
        handling_figure(found, budget),
        theme=None,
        config=plot_config(),
        key="dn2_jiggle_chart",
        alt=t("Share of the normals that is flagged as taken and under each small change"),
    )
    st.caption(" ".join(_rests(measured)))


def handling_words(found: Handling, budget: float) -> str:
    """What handling adds to the flags on good parts, and on how many normals that rests; markdown."""
    added = t(
        "About {budget} good parts may be flagged. Small changes of handling flag **{added} of 100 more** "
        "({low} to {high}).",
        budget=one_in(budget),
        added=number(100 * found.added.value, 1),
        low=number(100 * found.added.low, 1),
        high=number(100 * found.added.high, 1),
    )
    taken = tn(
        "{n} of {of} normals is flagged as taken",
        "{n} of {of} normals are flagged as taken",
        found.as_taken.count,
        of=number(found.n),
    )
    unsteady = tn(
        "{n} more is flagged under at least one of {changes} small changes.",
        "{n} more are flagged under at least one of {changes} small changes.",
        found.unsteady.count,
        changes=number(len(found.by_kind)),
    )
    return f"{added} {taken}; {unsteady}"


def advice_words(found: Handling, budget: float) -> str:
    """What to do about it."""
    if not found.unsteady.count:
        return t(
            "No verdict turned: handling matters little. With {n} normals up to {high} of 100 cannot be ruled out.",
            n=number(found.n),
            high=number(100 * found.added.high, 1),
        )
    if found.added.value < HARDLY * budget:
        return t("Handling takes hardly any of the budget: nothing to do.")
    worst = max(found.added_by_family, key=lambda family: found.added_by_family[family].value)
    most = {"share": number(100 * found.added_by_family[worst].value, 1)}
    cure = {
        "turned": t("Turning does most ({share} of 100): a stop or fixture that holds the parts square helps.", **most),
        "shifted": t("Shifting does most ({share} of 100): a stop or fixture that holds the parts helps.", **most),
        "lit": t("Brightness does most ({share} of 100): fix the exposure and keep daylight out.", **most),
        "blurred": t("Blur does most ({share} of 100): fix focus and distance, and clean the lens.", **most),
    }
    otherwise = t("Or add normals that lie and are lit as differently as parts do later: the limit then allows for it.")
    return f"{cure[worst]} {otherwise}"


def _rests(measured: Measured) -> list[str]:
    found, words = measured.found, []
    drawn = (
        tn("By {n} normal", "By {n} normals", found.n)
        if found.n == measured.of
        else t("By {n} of {of} normals, drawn at random", n=number(found.n), of=number(measured.of))
    )
    words.append(t("{drawn}, {moment}; the bands are 95 % intervals.", drawn=drawn, moment=moment(measured.at)))
    if measured.lost:
        words.append(
            tn("The stored file of {n} cannot be read.", "The stored files of {n} cannot be read.", measured.lost)
        )
    if found.as_taken.count:
        share = percent(100 * found.removed.count / found.as_taken.count, 0)
        words.append(t("Those flagged as taken pass under {share} of the changes.", share=share))
    if measured.redrawn.count > found.as_taken.count:
        words.append(
            tn(
                "Turned there and back, so that it lies as it lay, {n} of {of} is flagged: so much of what turns do is "
                "not the turn.",
                "Turned there and back, so that they lie as they lay, {n} of {of} are flagged: so much of what turns "
                "do is not the turn.",
                measured.redrawn.count,
                of=number(measured.redrawn.of),
            )
        )
    if not measured.fits:
        words.append(
            t(
                "Measured on version {version} of the normals; normals, network or score changed since.",
                version=number(measured.version),
            )
        )
    return words


def handling_figure(found: Handling, budget: float) -> go.Figure:
    """The share of the normals that is flagged, in percent: as taken, then under each change."""
    rows = [(t("as taken"), found.as_taken, NORMAL)]
    rows += [(kind_word(kind), share, line_colour()) for kind, share in found.by_kind.items()]
    rows.reverse()
    names, colours = [name for name, _, _ in rows], [colour for _, _, colour in rows]
    value, low, high = (
        100 * np.array([getattr(share, part) for _, share, _ in rows]) for part in ("value", "low", "high")
    )
    figure = go.Figure()
    for row, colour in enumerate(colours):
        figure.add_scatter(
            x=[low[row], high[row]],
            y=[names[row]] * 2,
            mode="lines",
            line={"color": colour, "width": 6},
            opacity=0.3,
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=value,
        y=names,
        mode="markers",
        marker={"color": colours, "size": 10, "line": {"width": 0}},
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        cliponaxis=False,
    )
    figure.add_scatter(
        x=high,
        y=names,
        mode="text",
        text=[f"  {number(share.count)}" for _, share, _ in rows],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure.update_layout(template=template(), height=60 + 24 * len(rows), margin={"t": 28, "r": 28})
    figure.update_xaxes(title=t("normals flagged, %"), rangemode="tozero")
    figure.update_yaxes(showgrid=False, ticksuffix="  ")
    label = {"text": t("budget {budget}", budget=one_in(budget)), "font": {"color": REJECT, "size": 12}}
    figure.add_vline(
        x=100 * budget,
        line={"color": REJECT, "width": 1.5, "dash": "dash"},
        annotation={**label, "yanchor": "bottom", "y": 1},
    )
    return figure


def kind_word(kind: str) -> str:
    """A small change in words."""
    if kind.startswith("turned"):
        _, way, degrees = kind.split()
        by = number(float(degrees))
        return t("turned left by {n}°", n=by) if way == "left" else t("turned right by {n}°", n=by)
    words = {
        "shifted left": t("shifted left"),
        "shifted right": t("shifted right"),
        "shifted up": t("shifted up"),
        "shifted down": t("shifted down"),
        "darker": t("darker"),
        "brighter": t("brighter"),
        "blurred": t("blurred"),
    }
    return words.get(kind, kind)


def family_word(family: str) -> str:
    """What a small change belongs to."""
    words = {"turned": t("turned"), "shifted": t("shifted"), "lit": t("brightness"), "blurred": t("blurred")}
    return words.get(family, family)


def _changes_help() -> str:
    return t(
        "The picture is turned by {turns} degrees, shifted by {shift}, made {light} darker and brighter and blurred a "
        "little, one at a time; nothing of this is a defect.",
        turns=" · ".join(number(by) for by in TURNS),
        shift=percent(100 * SHIFT, 0),
        light=percent(100 * LIGHT, 0),
    )
