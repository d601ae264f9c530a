"""A project at a glance, straight from its catalogue: no vectors, no pictures are opened."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How many images have these sides (pixels, upright) and this format."""

    width: int
    height: int
    format: str
    count: int


def sizes(project, role: str = "normal") -> list[Size]:
    """The sizes and formats of the images that are in use in a role, most frequent first."""
    with project.db.read() as db:
        rows = db.execute(
            "SELECT m.width, m.height, m.format, count(*) AS count FROM items i"
            " JOIN images m ON m.id = i.image_id"
            " WHERE i.role = ? AND i.until IS NULL AND (i.role = 'scored' OR i.since IS NOT NULL)"
            " GROUP BY m.width, m.height, m.format"
            " ORDER BY count DESC, m.width, m.height, m.format",
            (role,),
        ).fetchall()
    return [Size(**dict(row)) for row in rows]


def covers(project, n: int) -> list[int]:
    """Up to n item ids that stand for the project: spread over its normals, else over what it has."""
    with project.db.read() as db:
        for role in ("normal", "scored"):
            ids = [
                row["id"]
                for row in db.execute(
                    "SELECT id FROM items WHERE role = ? AND until IS NULL ORDER BY id LIMIT 400", (role,)
                )
            ]
            if ids:
                return ids[:: max(1, len(ids) // n)][:n]
    return []
