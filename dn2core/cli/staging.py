"""Files, folders and archives named on the command line, handed to a batch."""

import errno
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from dn2core.errors import NotFound, Refused, sentence
from dn2core.ingest.sources import is_litter
from dn2core.project import Project

AT_ONCE = 32  # files in one transaction


@dataclass
class Listing:
    """The files behind the paths that were given: (name, path) each, in order."""

    files: list[tuple[str, Path]] = field(default_factory=list)
    ignored: int = 0  # hidden and system files in folders


def list_files(paths: list[str]) -> Listing:
    """The files named, and those in the folders named.

    A file in a folder is called by its path from the folder's parent, as a browser does.

    Raises:
        NotFound: when a path does not exist.
        Refused: NOTHING_TO_IMPORT when there is no file at all.
    """
    listing = Listing()
    for path in map(Path, paths):
        if path.is_dir():
            _list_folder(path.resolve(), listing)
        elif path.exists():
            listing.files.append((_label(Path(path.name)), path))
        else:
            raise NotFound("CLI_NO_PATH", path=str(path))
    if not listing.files:
        raise Refused("NOTHING_TO_IMPORT")
    return listing


def stage_files(project: Project, batch: int, files: list[tuple[str, Path]]) -> list[tuple[str, str]]:
    """Copy files into the batch, whose job reads archives and rejects what is no image.

    Returns:
        (name, sentence) of each file that could not be opened.
    """
    unreadable = []
    with tqdm(total=len(files), unit=" files", desc="Copying", disable=None) as bar:
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            unreadable += _stage(project, batch, some)
            bar.update(len(some))
    return unreadable


def _list_folder(top: Path, listing: Listing) -> None:
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not is_litter((name,)))
        wanted = sorted(name for name in names if not is_litter((name,)))
        listing.ignored += len(names) - len(wanted)
        paths = [Path(folder, name) for name in wanted]
        listing.files += [(_label(path.relative_to(top.parent)), path) for path in paths]


def _label(path: Path) -> str:
    """The name as text that can be stored, also where the file system holds bytes that are no UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", errors="backslashreplace")


def _stage(project: Project, batch: int, files: list[tuple[str, Path]]) -> list[tuple[str, str]]:
    unreadable = []
    with ExitStack() as opened:
        contents = []
        for name, path in files:
            try:
                if not path.is_file():  # reading a pipe would never end
                    raise OSError(errno.EINVAL, "not a regular file")
                contents.append((name, opened.enter_context(open(path, "rb"))))
            except OSError as error:
                unreadable.append((name, sentence("CLI_UNREADABLE", {"reason": error.strerror})))
        if contents:
            project.stage_many(batch, contents)
    return unreadable
