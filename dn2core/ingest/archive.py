"""A ZIP that is trusted in nothing: its list is checked before an entry is read; nothing is unpacked to disk."""

import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dn2core.errors import Rejected
from dn2core.ingest.limits import Limits

_ARCHIVES = {
    ".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".zst", ".lz4",
    ".cab", ".iso", ".jar", ".lzh", ".arj", ".z",
}  # fmt: skip
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a bound on memory
_DRIVE = re.compile(r"[A-Za-z]:")
_LOCAL = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_DIRECTORY_BYTES = 1_024  # generous for one entry of the list
_RATIO_FROM = 1_000_000  # below this size no ratio matters
_PIECE = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One line of the list: `position` in it, `name` as a label, `refused` if it will not be read."""

    position: int
    name: str
    size: int
    is_folder: bool
    info: zipfile.ZipInfo = field(repr=False)
    refused: Rejected | None = None


class Archive:
    """An opened ZIP: `entries` in its own order, `read(entry)` from any thread.

    Raises:
        Rejected: BAD_ARCHIVE, TOO_MANY_ENTRIES, ARCHIVE_TOO_BIG or ARCHIVE_OVERLAP, for the ZIP as a whole.
    """

    def __init__(self, path: Path, limits: Limits):
        self.limits = limits
        _check_length_of_list(path, limits)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError, IndexError) as error:
            raise Rejected("BAD_ARCHIVE") from error
        try:
            infos = self._zip.infolist()
            if len(infos) > limits.zip_entries:
                raise Rejected("TOO_MANY_ENTRIES", limit=limits.zip_entries)
            total = sum(info.file_size for info in infos)
            if total > limits.zip_bytes:
                raise Rejected("ARCHIVE_TOO_BIG", gigabytes=total / 1e9, limit=limits.zip_bytes / 1e9)
            self._check_overlap(infos)
            self.entries = [self._entry(position, info) for position, info in enumerate(infos)]
        except Rejected:
            self._zip.close()
            raise

    def read(self, entry: Entry) -> bytes:
        """The content; never more than the list told and the limits allow.

        Raises:
            Rejected: `entry.refused`, CRC_MISMATCH or FILE_UNREADABLE.
        """
        if entry.refused:
            raise Rejected(entry.refused.code, **entry.refused.params)
        try:
            with self._zip.open(entry.info) as file:
                data = b"".join(iter(lambda: file.read(_PIECE), b""))
        except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, ValueError) as error:
            raise Rejected("CRC_MISMATCH") from error
        except OSError as error:
            raise Rejected("FILE_UNREADABLE") from error
        if len(data) != entry.size:
            raise Rejected("CRC_MISMATCH")
        return data

    def _entry(self, position: int, info: zipfile.ZipInfo) -> Entry:
        name = _name(info)
        return Entry(position, name, info.file_size, _is_folder(info), info, _reason_against(info, name, self.limits))

    def _check_overlap(self, infos: list[zipfile.ZipInfo]) -> None:
        """No byte may belong to two entries or to the list itself. Python checks this only from 3.11.8 on."""
        spans = sorted((info.header_offset, info.compress_size) for info in infos)
        starts = [start for start, _ in spans[1:]] + [self._zip.start_dir] * bool(spans)
        for (start, packed), following in zip(spans, starts, strict=True):
            self._zip.fp.seek(start)
            local = self._zip.fp.read(_LOCAL.size)
            if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
                raise Rejected("BAD_ARCHIVE")
            _, name, extra = _LOCAL.unpack(local)
            if start + _LOCAL.size + name + extra + packed > following:
                raise Rejected("ARCHIVE_OVERLAP")


def _check_length_of_list(path: Path, limits: Limits) -> None:
    """From the record at the end, before the list itself is read into memory.

    Only bounds what is read: whether the record tells the truth is found out by reading.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - 65_557 - 20)
        file.seek(start)
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) - end < 22:
            raise Rejected("BAD_ARCHIVE")
        entries, length = struct.unpack_from("<HI", tail, end + 10)
        if end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07":  # zip64: the true numbers are elsewhere
            (place,) = struct.unpack_from("<Q", tail, end - 12)
            for position in (place, start + end - 20 - 56):  # as told, or moved by bytes put in front
                if 0 <= position <= size - 56:
                    file.seek(position)
                    record = file.read(56)
                    if record[:4] == b"PK\x06\x06":
                        entries, length = struct.unpack_from("<QQ", record, 32)
                        break
    if entries > limits.zip_entries or length > limits.zip_entries * _DIRECTORY_BYTES:
        raise Rejected("TOO_MANY_ENTRIES", limit=limits.zip_entries)


def _reason_against(info: zipfile.ZipInfo, name: str, limits: Limits) -> Rejected | None:
    mode = info.external_attr >> 16
    if _is_unsafe(info.orig_filename) or _is_unsafe(name):
        return Rejected("UNSAFE_PATH")
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return Rejected("UNSUPPORTED_ENTRY")
    if info.flag_bits & _ENCRYPTED:
        return Rejected("ENCRYPTED_ENTRY")
    if PurePosixPath(name.replace("\\", "/")).suffix.lower() in _ARCHIVES:
        return Rejected("NESTED_ARCHIVE")
    if info.compress_type not in _METHODS:
        method = zipfile.compressor_names.get(info.compress_type, str(info.compress_type))
        return Rejected("UNSUPPORTED_COMPRESSION", method=method)
    if info.file_size > limits.file_bytes:
        return Rejected("FILE_TOO_BIG", megabytes=info.file_size / 1e6, limit=limits.file_bytes / 1e6)
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > _RATIO_FROM and ratio > limits.zip_ratio:
        return Rejected("RATIO_TOO_HIGH", ratio=ratio, limit=limits.zip_ratio)
    return None


def _is_unsafe(name: str) -> bool:
    """Absolute, with a drive, climbing, or cut by a NUL; Windows separators count on every system."""
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "" or bool(_DRIVE.match(name)) or ".." in parts or "\0" in name


def _is_folder(info: zipfile.ZipInfo) -> bool:
    """An empty entry that ends in a separator; what has content is a file, whatever its name ends in."""
    return info.orig_filename.endswith(("/", "\\")) and info.file_size == 0


def _name(info: zipfile.ZipInfo) -> str:
    """The best reading of the name: UTF-8 where it is marked or fits, else the old code page."""
    name = info.orig_filename
    if info.flag_bits & _UTF8:
        return name
    try:
        raw = name.encode("cp437")
    except UnicodeEncodeError:
        return name
    return _unicode_path(info.extra, raw) or _as_utf8(raw) or name


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The field in which some packers repeat the name in UTF-8, valid while its checksum fits the plain one."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        body = extra[position + 4 : position + 4 + length]
        if kind == _UNICODE_PATH and len(body) > 5 and int.from_bytes(body[1:5], "little") == zlib.crc32(raw):
            return _as_utf8(body[5:])
        position += 4 + length
    return None


def _as_utf8(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
