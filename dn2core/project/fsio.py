"""Durable writes: what was acknowledged survives a kill or a power cut."""

import errno
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from dn2core.errors import StorageError

TEMPORARY = ".tmp-"  # how the names of unfinished files begin


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: temporary file, fsync, rename, fsync of the folder.

    The folder is made where only it is missing; its parent never, so that no late write brings back the
    folder of a project that was deleted.

    Raises:
        StorageError: DISK_FULL or STORAGE_FAILED; the old content is then unharmed.
    """
    _replace(path, data, sync=True)
    with storage_errors(path):
        sync_folder(path.parent)


def write_content(path: Path, data: bytes) -> None:
    """As `write_atomic`, but the name is durable only after `sync_folders`: one sync for many files."""
    _replace(path, data, sync=True)


def write_derived(path: Path, data: bytes) -> None:
    """As `write_atomic` without the fsyncs, for what can be made again (thumbnails)."""
    _replace(path, data, sync=False)


def _replace(path: Path, data: bytes, *, sync: bool) -> None:
    with storage_errors(path):
        path.parent.mkdir(exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable; not every platform can, and those need not."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EACCES):
            raise
    finally:
        os.close(handle)


def sync_files(paths: Iterable[Path]) -> None:
    """Make the content of written files durable, together as `sync_folders` does."""
    with ThreadPoolExecutor(8, thread_name_prefix="sync") as pool:
        list(pool.map(_sync_file, paths))


def _sync_file(path: Path) -> None:
    with storage_errors(path), open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folders(folders: Iterable[Path]) -> None:
    """Together, for a disk answers many waiting writers at once."""
    with ThreadPoolExecutor(8, thread_name_prefix="sync") as pool:
        list(pool.map(sync_folder, set(folders)))


@contextmanager
def storage_errors(path: Path):
    """Turn an OSError into the sentence that a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError("DISK_FULL") from error
        raise StorageError("STORAGE_FAILED", what=path.name, reason=error.strerror or str(error)) from error
