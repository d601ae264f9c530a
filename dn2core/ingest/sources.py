"""Where images come from: single files, ZIP archives, folders of the server. All are listed first, read later.

Whatever cannot be read at all is listed too, and tells why when it is read: so every entry that was given
ends as one outcome. Only litter of operating systems is left out, and counted.
"""

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dn2core.errors import NotFound, Rejected
from dn2core.ingest import archive
from dn2core.ingest.limits import Limits

_LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "@eadir"}
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


@dataclass(frozen=True)
class Source:
    """One file on its way in. `name` is a label (the relative path), `key` the same in every listing."""

    key: str
    name: str
    size: int
    _read: Callable[[], bytes] = field(repr=False, compare=False)

    def read(self) -> bytes:
        """The whole content.

        Raises:
            Rejected: when there is a reason not to have it, also one that was known when it was listed.
        """
        return self._read()


class Listing(list):
    """Sources in order; `ignored` counts litter of operating systems and hidden files that were left out."""

    def __init__(self, sources: Iterable[Source] = (), ignored: int = 0):
        super().__init__(sources)
        self.ignored = ignored


def sources_of_file(path: str | Path, name: str, *, key: str = "1", limits: Limits | None = None) -> Listing:
    """The file itself, or the entries of a ZIP. `name` is what the user calls it."""
    limits = limits or Limits()
    path = Path(path)
    if _is_zip(path, name):
        return sources_of_zip(path, name, key=key, limits=limits)
    return Listing([Source(key, name, _size(path), lambda: _read_file(path, limits))])


def sources_of_zip(path: str | Path, name: str, *, key: str = "1", limits: Limits | None = None) -> Listing:
    """The entries of a ZIP in its own order, keyed "key/position"; a ZIP that is refused whole is one source."""
    limits = limits or Limits()
    path = Path(path)
    try:
        opened = archive.Archive(path, limits)
    except Rejected as refused:
        return Listing([_refused(key, name, refused, _size(path))])
    except FileNotFoundError:
        return Listing([_refused(key, name, Rejected("FILE_VANISHED"))])
    except OSError:
        return Listing([_refused(key, name, Rejected("FILE_UNREADABLE"))])
    listing = Listing()
    for entry in opened.entries:
        if entry.is_folder:
            continue
        if is_litter(PurePosixPath(entry.name.replace("\\", "/")).parts):
            listing.ignored += 1
            continue
        listing.append(Source(f"{key}/{entry.position}", entry.name, entry.size, _reader(opened, entry)))
    if not listing:
        empty = Rejected("ARCHIVE_EMPTY", ignored=listing.ignored)
        return Listing([_refused(key, name, empty)], listing.ignored)
    return listing


def sources_of_folder(
    folder: str | Path, roots: Iterable[Path], *, key: str = "1", limits: Limits | None = None
) -> Listing:
    """All files below a folder of the server, sorted by path; ZIPs are opened. Keyed "key/relative path".

    Links to files inside the roots are read; all other links and special files are refused one by one.

    Raises:
        NotFound: when it is no folder or not below one of the roots; the two are not told apart.
    """
    limits = limits or Limits()
    roots = [Path(root).resolve() for root in roots]
    top = Path(folder).resolve()
    if not _is_below(top, roots) or not top.is_dir():
        raise NotFound("NOT_FOUND", what="The folder")
    listing = Listing()
    for path in _walk(top, listing):
        label = _printable(path.relative_to(top).as_posix())
        place = f"{key}/{label}"
        reason = _reason_against(path, roots)
        if reason:
            listing.append(_refused(place, label, reason))
        elif _is_zip(path, label):
            inside = sources_of_zip(path, label, key=place, limits=limits)
            listing.ignored += inside.ignored
            listing += inside
        else:
            listing.append(Source(place, label, _size(path), _guarded_reader(path, roots, limits)))
    if not listing:
        raise NotFound("NOT_FOUND", what="A file to import in this folder")
    return listing


def _walk(top: Path, listing: Listing) -> Iterable[Path]:
    """Files and links below `top`, folders in order of their names; links to folders come as themselves."""
    for here, folders, files in os.walk(top, followlinks=False):
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        seen = [name for name in folders if name not in links]
        folders[:] = sorted(name for name in seen if not is_litter((name,)))
        listing.ignored += len(seen) - len(folders)
        for name in sorted(files + links):
            if is_litter((name,)):
                listing.ignored += 1
            else:
                yield Path(here, name)


def _reason_against(path: Path, roots: list[Path]) -> Rejected | None:
    try:
        target = path.resolve(strict=True)
        mode = target.stat().st_mode
    except FileNotFoundError:
        return Rejected("UNSUPPORTED_ENTRY" if path.is_symlink() else "FILE_VANISHED")
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return Rejected("UNSUPPORTED_ENTRY" if path.is_symlink() else "FILE_UNREADABLE")
    if not stat.S_ISREG(mode) or not _is_below(target, roots):
        return Rejected("UNSUPPORTED_ENTRY")
    return None


def _guarded_reader(path: Path, roots: list[Path], limits: Limits) -> Callable[[], bytes]:
    def read() -> bytes:
        reason = _reason_against(path, roots)  # again: the folder may have changed since the listing
        if reason:
            raise reason
        return _read_file(path.resolve(), limits)

    return read


def _read_file(path: Path, limits: Limits) -> bytes:
    """At most one byte more than allowed, from an ordinary file that is no link."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Rejected("UNSUPPORTED_ENTRY")
            if status.st_size > limits.file_bytes:
                raise _too_big(status.st_size, limits)
            data = file.read(limits.file_bytes + 1)
    except FileNotFoundError as error:
        raise Rejected("FILE_VANISHED") from error
    except OSError as error:
        raise Rejected("FILE_UNREADABLE") from error
    if len(data) > limits.file_bytes:  # it grew
        raise _too_big(len(data), limits)
    return data


def _reader(opened: archive.Archive, entry: archive.Entry) -> Callable[[], bytes]:
    return lambda: opened.read(entry)


def _refused(key: str, name: str, reason: Rejected, size: int = 0) -> Source:
    def read() -> bytes:
        raise Rejected(reason.code, **reason.params)

    return Source(key, name, size, read)


def _too_big(size: int, limits: Limits) -> Rejected:
    return Rejected("FILE_TOO_BIG", megabytes=size / 1e6, limit=limits.file_bytes / 1e6)


def _is_zip(path: Path, name: str) -> bool:
    """By content for `.zip` and nameless files; by name alone too, so that a broken one is called a bad ZIP.

    An office document is a ZIP inside as well, but nobody means its entries by giving it.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in (".zip", ""):
        return False
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        return False
    if suffix == ".zip":
        return not head.startswith((b"\xff\xd8\xff", b"\x89PNG")) and head != b""
    return head in _ZIP_MAGIC


def is_litter(parts: tuple[str, ...]) -> bool:
    """Whether a path with these parts is left behind by an operating system, or hidden."""
    return any(part.lower() in _LITTER or (part.startswith(".") and part not in (".", "..")) for part in parts)


def _is_below(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _printable(name: str) -> str:
    """File names may hold bytes that are no text; as text for the catalogue they are written out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
