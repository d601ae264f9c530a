"""Strangers among the normals, and copies of other normals, taken out in one step of the history."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from dn2core.detect.cleaning import check_kept
from dn2core.errors import Refused
from dn2core.project.normals import Changed, change_normals, end_normals, normals_in_force
from dn2core.project.settings import settings_in

if TYPE_CHECKING:
    from dn2core.project.project import Project

AUTOMATIC, APART, HALF, OWN = "automatic", "apart", "half", "own"
HOWS = (AUTOMATIC, APART, HALF, OWN)  # the share estimated, without its fringe, the paper's, or the person's own


def drop_normals(
    project: "Project",
    item_ids: Iterable[int],
    *,
    how: str = AUTOMATIC,
    share: float = 0.0,
    seen: Iterable[int] = (),
    copies: Iterable[int] = (),
    author: str = "",
) -> Changed:
    """Take strangers and copies out of the normals. Without one that is a normal now there is no new version.

    Strangers that nobody looked at are marked as cleaned. They may be good parts after all, which the limit's
    forecast allows for, until they are normals again or a label calls them defects.

    Args:
        item_ids: the strangers.
        how: where the share came from, one of `HOWS`.
        share: of the normals, that was proposed to be dropped, 0 to 1.
        seen: of the strangers, those that a person looked at and found to be no good parts.
        copies: near-duplicates of normals that stay.

    Raises:
        NotFound: NO_NORMALS when there never were any.
        Refused: TOO_FEW_KEPT when fewer would stay than scoring needs, UNKNOWN_SHARE for another `how`.
    """
    if how not in HOWS:
        raise Refused("UNKNOWN_SHARE", name=how, known=", ".join(HOWS))
    seen = {int(i) for i in seen}
    strangers = list(dict.fromkeys(int(i) for i in item_ids))
    copied = [i for i in dict.fromkeys(int(i) for i in copies) if i not in set(strangers)]

    def change(db, version: int) -> tuple[int, str, dict]:
        unseen = end_normals(db, [i for i in strangers if i not in seen], version, cleaned=True)
        odd = unseen + end_normals(db, [i for i in strangers if i in seen], version)
        same = end_normals(db, copied, version)
        stay = normals_in_force(db)
        check_kept(np.arange(stay + odd + same) >= stay, settings_in(db).k)
        details = {"strangers": odd, "unseen": unseen, "copies": same, "how": how, "share": share}
        return odd + same, _reason(odd, same), {"cleaned": details}

    return change_normals(project, change, author)


def _reason(strangers: int, copies: int) -> str:
    parts = [(strangers, "as strangers"), (copies, "as copies")]
    return ", ".join(f"{n} dropped {what}" for n, what in parts if n)
