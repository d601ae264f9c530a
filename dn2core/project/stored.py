"""Stored pictures, checked and prepared anew for whoever looks at them."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
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
    return prepared(project, images, encoder.view, at_least=encoder.decode_side)


def prepared(project: "Project", images: list, prepare: Callable, *, at_least: int) -> Iterator[tuple[int, object]]:
    """`prepare` of the pixels of stored images, as (image id, result); None for one that cannot be read.

    Args:
        at_least: as `decode`.
    """
    sources = [Source(str(row["id"]), row["sha256"], row["bytes"], _reader(project, row)) for row in images]
    checked = check_all(
        sources,
        limits=project.limits,
        at_least=at_least,
        prepare=lambda _source, _sha256, _data, decoded: prepare(decoded.image),
    )
    for source, result in checked:
        yield int(source.key), None if isinstance(result, Rejected) else result


def chunks(items: Iterable, size: int) -> Iterator[tuple]:
    """The items in tuples of this size, the last may be shorter."""
    items = iter(items)
    return iter(lambda: tuple(islice(items, size)), ())


def _reader(project: "Project", row):
    def read() -> bytes:
        try:
            return project.original(row["sha256"], row["format"])
        except (NotFound, StorageError) as error:
            raise Rejected("FILE_UNREADABLE") from error

    return read
