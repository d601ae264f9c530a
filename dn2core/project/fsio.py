"""Durable writes: what was acknowledged survives a kill or a power cut."""

import errno
import os
import tempfile
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

from dn2core.errors import StorageError


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: temporary file, fsync, rename, fsync of the folder.

    Raises:
        StorageError: DISK_FULL or STORAGE_FAILED; the old content is then unharmed.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_derived(path: Path, data: bytes) -> None:
    """Like `write_atomic` without the fsyncs, for what can be made again (thumbnails)."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
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


def sync_folders(folders: Iterable[Path]) -> None:
    for folder in set(folders):
        sync_folder(folder)


@contextmanager
def storage_errors(path: Path):
    """Turn an OSError into the sentence that a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError("DISK_FULL") from error
        raise StorageError("STORAGE_FAILED", what=path.name, reason=error.strerror or str(error)) from error
