"""The intake: sources -> checked images on a few threads, in order, each one accounted for."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath

from dn2core.errors import Rejected
from dn2core.ingest.decode import Decoded, decode
from dn2core.ingest.limits import Limits
from dn2core.ingest.sources import Source

_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
}
_ALL_SUFFIXES = set().union(*_SUFFIXES.values())


def check_all(
    sources: Iterable[Source],
    *,
    limits: Limits | None = None,
    threads: int | None = None,
    at_least: int | None = None,
    prepare: Callable | None = None,
) -> Iterator[tuple]:
    """Read and decode every source; one outcome each, in the order of the sources.

    Args:
        threads: how many decode side by side; by default one for each core that we may use, at most 8.
        at_least: as in `decode`.
        prepare: called as prepare(source, sha256, data, decoded) on the thread that decoded, so that what is
            kept of a picture while it waits for its turn can be small.

    Yields:
        (source, sha256 as hex, data, Decoded), or with `prepare` (source, what it returned); for a file that
        is refused (source, Rejected). Files are decoded ahead, within a bounded window.

    Raises:
        Whatever `prepare` raises, other than Rejected, at the place of its source.
    """
    limits = limits or Limits()
    threads = threads or min(8, _cores())
    window = threads * (16 if prepare else 2)

    def check(source: Source) -> tuple:
        try:
            data = _read(source)
            decoded = _with_name(source, decode(data, limits=limits, at_least=at_least))
            sha256 = hashlib.sha256(data).hexdigest()
            if prepare is None:
                return source, sha256, data, decoded
            return source, prepare(source, sha256, data, decoded)
        except Rejected as rejected:
            return source, rejected.with_traceback(None)  # a traceback would keep the picture in memory

    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting = deque()
    try:
        for source in sources:
            waiting.append(pool.submit(check, source))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # also when the caller stops in the middle
        pool.shutdown(wait=True, cancel_futures=True)


def _read(source: Source) -> bytes:
    try:
        return source.read()
    except MemoryError as error:
        raise Rejected("DECODER_MEMORY") from error
    except OSError as error:
        raise Rejected("FILE_UNREADABLE") from error


def _with_name(source: Source, decoded: Decoded) -> Decoded:
    """A note where the name promises another format than the content."""
    suffix = PurePosixPath(source.name).suffix.lower()
    if suffix in _ALL_SUFFIXES and suffix not in _SUFFIXES[decoded.format]:
        return replace(decoded, notes=(*decoded.notes, f"CONTENT_IS {decoded.format}"))
    return decoded


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        return os.cpu_count() or 1
