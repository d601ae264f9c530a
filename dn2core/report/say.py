"""How sentences outside the pages are said: in English, or in a reader's language by the pages' own functions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from dn2core.report.html import ENGLISH as FIXED
from dn2core.report.html import Words


@dataclass(frozen=True)
class Say:
    """The functions that sentences are made of.

    t(message, **fields): the sentence, filled in. tn(singular, plural, n, **fields): by number, with {n} for n.
    number(value), raw(value): a count, a score or limit; number(value, places) with decimals.
    percent(value): what is given in percent.
    one_in(share): a share (0 to 1) of parts, "1 in 200".
    """

    t: Callable[..., str]
    tn: Callable[..., str]
    number: Callable[..., str]
    raw: Callable[[float | None], str]
    percent: Callable[[float], str]
    one_in: Callable[[float], str]


_words = Words(FIXED, datetime.fromtimestamp(0, UTC))


def _t(message: str, /, **fields: object) -> str:
    return message.format(**fields) if fields else message


def _tn(singular: str, plural: str, n: int, /, **fields: object) -> str:
    return (singular if n == 1 else plural).format(**{"n": _words.number(n), **fields})


def _one_in(share: float) -> str:
    if share > 0.2:
        return _words.percent(100 * share)
    n = 1 / share
    return f"1 in {_words.number(n, 0 if n >= 20 or abs(n - round(n)) < 0.05 else 1)}"


ENGLISH = Say(t=_t, tn=_tn, number=_words.number, raw=_words.raw, percent=_words.percent, one_in=_one_in)
