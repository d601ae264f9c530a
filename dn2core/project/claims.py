"""Who looks at which image just now, so that two reviewers of one queue get different ones."""

import time
from typing import TYPE_CHECKING

from dn2core.errors import NotFound

if TYPE_CHECKING:
    from dn2core.project.project import Project

CLAIM_SECONDS = 120  # who shows no sign for so long has left


def claim(project: "Project", image_id: int, holder: str, author: str = "") -> bool:
    """Take an image to look at; False when somebody else has it. What the holder had before is free again.

    Args:
        holder: tells one session from another.
        author: the name that others are shown.

    Raises:
        NotFound: when there is no such image.
    """
    now = time.time()
    with project.db.write() as db:
        if not db.execute("SELECT 1 FROM images WHERE id = ?", (image_id,)).fetchone():
            raise NotFound("NOT_FOUND", what="The image")
        db.execute(
            "DELETE FROM claims WHERE at < ? OR (holder = ? AND image_id <> ?)", (now - CLAIM_SECONDS, holder, image_id)
        )
        row = db.execute("SELECT holder FROM claims WHERE image_id = ?", (image_id,)).fetchone()
        if row and row["holder"] != holder:
            return False
        db.execute(
            "INSERT OR REPLACE INTO claims(image_id, holder, author, at) VALUES (?, ?, ?, ?)",
            (image_id, holder, author, now),
        )
        return True


def claimed_by_others(project: "Project", holder: str) -> dict[int, str]:
    """Image ids that others look at now, with their names."""
    with project.db.read() as db:
        rows = db.execute(
            "SELECT image_id, author FROM claims WHERE holder <> ? AND at >= ?", (holder, time.time() - CLAIM_SECONDS)
        ).fetchall()
    return {row["image_id"]: row["author"] for row in rows}
