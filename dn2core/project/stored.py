"""Stored pictures, checked and prepared anew for whoever looks at them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dn2core.errors import NotFound, Rejected, StorageError
from dn2core.ingest import check_all
from dn2core.ingest.sources import Source

if TYPE_CHECKING:
    from dn2core.project.project import Project


def views(project: "Project", images: list, encoder) -> Iterator[tuple[int, np.ndarray | None]]:
    """What `encoder` sees of stored images, as (image id, pixels); None for one that cannot be read.

    Args:
        images: rows with id, sha256, format and bytes.
    """
    sources = [Source(str(row["id"]), row["sha256"], row["bytes"], _reader(project, row)) for row in images]
    checked = check_all(
        sources,
        limits=project.limits,
        at_least=encoder.decode_side,
        prepare=lambda _source, _sha256, _data, decoded: encoder.view(decoded.image),
    )
    for source, view in checked:
        yield int(source.key), None if isinstance(view, Rejected) else view


def _reader(project: "Project", row):
    def read() -> bytes:
        try:
            return project.original(row["sha256"], row["format"])
        except (NotFound, StorageError) as error:
            raise Rejected("FILE_UNREADABLE") from error

    return read
