"""Where things lie on disk; every path below the data folder is made here."""

import os
import re
from pathlib import Path

import platformdirs

from dn2core.errors import NotFound

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


def data_dir() -> Path:
    """`DN2_DATA`, else the user's data folder by the platform's convention."""
    configured = os.environ.get("DN2_DATA")
    return Path(configured).expanduser() if configured else Path(platformdirs.user_data_path("dn2", appauthor=False))


def folder_roots() -> list[Path]:
    """The server folders that users may read images from: `DN2_FOLDER_ROOTS`, none by default."""
    configured = os.environ.get("DN2_FOLDER_ROOTS", "")
    return [Path(part).expanduser().resolve() for part in configured.split(os.pathsep) if part]


def below(root: Path, *parts: str) -> Path:
    """`root` joined with plain names: no separators, no leading dots, nothing that leaves `root`.

    Raises:
        NotFound: for anything that is not a plain name.
    """
    for part in parts:
        if not _PART.fullmatch(part):
            raise NotFound("NOT_FOUND", what="The file")
    return root.joinpath(*parts)


def by_hash(root: Path, sha256: str, suffix: str) -> Path:
    """The place of content: two letters of the hash as folder, the hash as name, our own suffix."""
    return below(root, sha256[:2], sha256 + suffix)
