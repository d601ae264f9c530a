"""Where a network's weights are, fetching them, and reading them without running anything they say."""

import errno
import hashlib
import http.client
import importlib.util
import io
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dn2core.errors import StorageError, WeightsUnavailable
from dn2core.features.backbones import Backbone, Weights, backbone_of

_PIECE = 1 << 20
_TIMEOUT_S = 30
_STALE_S = 3600  # a part file this old belongs to a download that died


@dataclass(frozen=True)
class WeightsStatus:
    """kind: "bundled" (a package carries them), "found" (in the weights folder) or "download" (path is None)."""

    kind: str
    path: Path | None
    megabytes: float


def find(backbone: str | Backbone, weights_dir: str | Path | None = None) -> WeightsStatus:
    """Where the weights are, by name alone; the content is checked when they are loaded."""
    weights = backbone_of(backbone).weights
    packaged = _packaged(weights)
    if packaged:
        return WeightsStatus("bundled", packaged, weights.megabytes)
    placed = Path(weights_dir) / weights.file if weights_dir is not None else None
    if placed and placed.is_file():
        return WeightsStatus("found", placed, weights.megabytes)
    return WeightsStatus("download", None, weights.megabytes)


def fetch(
    backbone: str | Backbone,
    weights_dir: str | Path,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Download the weights into the folder; the file appears there only when it is whole and checked.

    Args:
        progress: called with (bytes so far, bytes in all).

    Raises:
        WeightsUnavailable: no address, no network, cut short, or the wrong content.
        StorageError: the folder cannot be written.
    """
    row = backbone_of(backbone)
    weights, folder = row.weights, Path(weights_dir)
    if weights.url is None:
        raise _unavailable(row, folder, "no address to fetch it from")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _drop_stale_parts(folder, weights)
        handle, part = tempfile.mkstemp(prefix=f".{weights.file}.", suffix=".part", dir=folder)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    part = Path(part)
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _download(row, folder, file, progress)
            try:
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise _cannot_write(folder, error) from error
        _check(weights, digest, folder)
        try:
            os.chmod(part, 0o644)
            os.replace(part, folder / weights.file)
            _sync_folder(folder)
        except OSError as error:
            raise _cannot_write(folder, error) from error
    finally:
        part.unlink(missing_ok=True)
    return folder / weights.file


def locate(
    backbone: str | Backbone, weights_dir: str | Path | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[Path, str]:
    """The weights file, fetched where need be, and its whole SHA-256, checked against what is known.

    Raises:
        WeightsUnavailable, StorageError: as `fetch`; or the file is not the one that the table names.
    """
    row = backbone_of(backbone)
    status = find(row, weights_dir)
    path = status.path
    if path is None:
        if weights_dir is None:
            raise _unavailable(row, None, "no folder for weights was given")
        path = fetch(row, weights_dir, progress)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unavailable(row, path.parent, error.strerror or type(error).__name__) from error
    _check(row.weights, digest, path.parent)
    return path, digest


def load_state(path: str | Path, sha256: str) -> dict:
    """Names -> tensors of a .pth or .safetensors file whose hash is (or begins with) `sha256`.

    The bytes that are hashed are the bytes that are parsed, and nothing in them is executed.

    Raises:
        WeightsUnavailable: another content, or no such file of tensors.
    """
    import torch

    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsUnavailable("WEIGHTS_UNREADABLE", file=path.name, reason=error.strerror) from error
    digest = hashlib.sha256(data).hexdigest()
    if not digest.startswith(sha256):
        raise _wrong_content(path.name, path.parent, sha256, digest)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load

            state = load(data)
        else:
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # each reader has its own kinds, and a hand-placed file may hold anything
        raise WeightsUnavailable("WEIGHTS_UNREADABLE", file=path.name, reason=_first_line(error)) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsUnavailable("WEIGHTS_UNREADABLE", file=path.name, reason="it is not a table of tensors")
    return dict(state)


def _packaged(weights: Weights) -> Path | None:
    """The file inside its installed package, whose code is not run."""
    if weights.package is None:
        return None
    spec = importlib.util.find_spec(weights.package.replace("-", "_"))
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "models" / weights.file
        if path.is_file():
            return path
    return None


def _download(row: Backbone, folder: Path, file, progress) -> str:
    """Write the content at the row's address into `file`; its SHA-256."""
    weights = row.weights
    most = int(weights.megabytes * 1.2e6) + 1_000_000
    digest, done = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(weights.url, timeout=_TIMEOUT_S) as response:
            told = response.length  # None where the server does not tell
            total = told or int(weights.megabytes * 1e6)
            while piece := response.read(_PIECE):
                done += len(piece)
                if done > most:
                    raise _unavailable(row, folder, f"the address sends more than {most / 1e6:.0f} MB")
                digest.update(piece)
                _write(file, piece, folder)
                if progress:
                    progress(done, total)
            if told and done < told:
                raise _unavailable(row, folder, f"the download ended after {done:,} of {told:,} bytes")
    except urllib.error.HTTPError as error:
        error.close()  # it is the response, too
        raise _unavailable(row, folder, f"the server answered {error.code}") from error
    except (OSError, http.client.HTTPException) as error:  # also TLS and routes that break in the middle
        reason = getattr(error, "reason", None) or error
        raise _unavailable(row, folder, _first_line(reason)) from error
    return digest.hexdigest()


def _write(file, piece: bytes, folder: Path) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _check(weights: Weights, digest: str, folder: Path) -> None:
    if not digest.startswith(weights.sha256):
        raise _wrong_content(weights.file, folder, weights.sha256, digest)


def _wrong_content(file: str, folder: Path, expected: str, got: str) -> WeightsUnavailable:
    return WeightsUnavailable(
        "WEIGHTS_WRONG_CONTENT", file=file, folder=str(folder), expected=expected[:16], got=got[: len(expected[:16])]
    )


def _unavailable(row: Backbone, folder: Path | None, reason: str) -> WeightsUnavailable:
    weights = row.weights
    params = {"title": row.title, "file": weights.file, "folder": str(folder) if folder else "(none)", "reason": reason}
    if weights.url is None:
        return WeightsUnavailable("WEIGHTS_NOT_INSTALLED", package=weights.package, **params)
    return WeightsUnavailable("WEIGHTS_UNAVAILABLE", url=weights.url, megabytes=weights.megabytes, **params)


def _cannot_write(folder: Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError("DISK_FULL")
    return StorageError("STORAGE_FAILED", what=f"The weights folder {folder}", reason=error.strerror)


def _drop_stale_parts(folder: Path, weights: Weights) -> None:
    for part in folder.glob(f".{weights.file}.*.part"):
        try:
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()
        except FileNotFoundError:
            pass


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _first_line(error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
