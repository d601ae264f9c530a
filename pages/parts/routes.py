"""Routes of our own beside the pages: batched thumbnails, whole pictures, and the upload of folders.

They have neither Streamlit's session nor its XSRF check: a token that only a page of this process can
make stands for one project, and every size and count is limited here.
"""

import hashlib
import hmac
import io
import secrets
import shutil
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import streamlit as st
from anyio import CapacityLimiter, to_thread
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dn2core.errors import DN2Error, NotFound, sentence
from dn2core.explore import heatmap
from dn2core.project import Project
from dn2core.project.close_ups import pixels
from dn2core.project.patches import patch_heat
from pages.parts.service import store

THUMBNAILS = 240  # ids a request
PART_FILES = 64  # files a request
PART_FIELDS = 4
BODY_BYTES = 4_000_000_000  # a ZIP comes as one file
LARGEST_ID = 2**63 - 1

RESERVE_BYTES = 1_000_000_000  # what stays free on the disk
UPLOADS_REMEMBERED = 256
PICTURES_AT_ONCE = 3  # decoding 50 megapixels takes seconds and hundreds of megabytes

_secret = secrets.token_bytes(32)
_parts: dict[tuple[str, int], tuple[set[str], set[str]]] = {}  # of an upload: parts that are here, and coming
_parts_lock = threading.Lock()
_pictures = CapacityLimiter(PICTURES_AT_ONCE)


def url(kind: str, project_id: str, *rest: int) -> str:
    """The address of a route for a project: "thumbs", "image", "saw", "heat", "difference" or "upload"."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    parts = ["dn2", kind, token(project_id), *map(str, rest)]
    return "/" + "/".join([base, *parts] if base else parts)


def token(project_id: str) -> str:
    """What opens a project's pictures to a browser, for as long as this process lives."""
    return f"{project_id}.{_mac(project_id)}"


def _mac(project_id: str) -> str:
    return hmac.new(_secret, project_id.encode(), hashlib.sha256).hexdigest()[:32]


async def thumbs(request: Request) -> Response:
    """Many thumbnails at once: their number and lengths as uint32, then the JPEGs; 0 bytes for an unknown id."""
    words = request.query_params.get("ids", "").split(",")[:THUMBNAILS]
    ids = [int(word) for word in words if word.isascii() and word.isdecimal() and len(word) <= 15]
    pictures = await _of_project(request, lambda project: project.thumbnails(ids))
    head = struct.pack(f"<{len(ids) + 1}I", len(ids), *map(len, pictures))
    # Thumbnails are JPEGs already, and compressing them again would only cost time.
    headers = {"Content-Encoding": "identity"}
    if not all(pictures):  # what is missing now may be there the next time
        headers["Cache-Control"] = "no-store"
    return _kept(head + b"".join(pictures), "application/octet-stream", headers)


async def image(request: Request) -> Response:
    """One whole picture, re-encoded without metadata."""
    data, kind = await _of_project(request, lambda project: project.picture(_item(request)), _pictures)
    return _kept(data, kind)


async def saw(request: Request) -> Response:
    """The very pixels that the network saw of an image, as PNG."""
    pixels = await _of_project(request, lambda project: project.what_network_saw(_item(request)), _pictures)
    # Another backbone or preset sees other pixels under the same address.
    return _kept(_png(pixels), "image/png", {"Cache-Control": "no-store"})


async def heat(request: Request) -> Response:
    """Where an image is unusual, in colours to lie over it, as PNG; none before its patches were compared."""
    rgba = await _of_project(request, lambda project: _heat(project, _item(request)), _pictures)
    # Another limit colours it anew under the same address.
    return _kept(_png(rgba), "image/png", {"Cache-Control": "no-store"})


def _heat(project, item_id: int) -> np.ndarray:
    item, found = project.item(item_id), patch_heat(project, item_id)
    if found is None or not found[1] >= 0:  # without a limit the colours mean nothing
        raise NotFound("NOT_FOUND", what="The heat")
    return heatmap.heat(*found, (item.width, item.height))


async def difference(request: Request) -> Response:
    """How an image differs from another one, in colours, as PNG."""

    def drawn(project) -> np.ndarray:
        other = min(request.path_params["other"], LARGEST_ID)
        pictures = [pixels(project, one, at_least=heatmap.LONGEST) for one in (_item(request), other)]
        return heatmap.difference_picture(heatmap.difference(*pictures))

    return _kept(_png(await _of_project(request, drawn, _pictures)), "image/png")


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


async def begin(request: Request) -> Response:
    """A new batch for a folder that is about to be sent: its id."""
    role, source = request.query_params.get("role"), request.query_params.get("source", "folder")
    if role not in ("normal", "scored") or source not in ("folder", "zip"):
        raise HTTPException(400)
    held, author = request.query_params.get("held") == "1", request.query_params.get("author", "")
    opened = partial(Project.new_batch, role=role, source=source, held=held and role == "normal", author=author)
    return JSONResponse({"batch": await _of_project(request, opened)})


async def part(request: Request) -> Response:
    """A part of a folder: up to 64 files for a batch that was not submitted yet.

    A part that arrived, but whose answer was lost on the way, may be sent again under its number.
    """
    batch, number = _batch(request), request.query_params.get("part", "")[:20]
    _check_room(request)
    await _of_project(request, partial(_must_be_open, batch=batch))
    with _once(request.path_params["token"], batch, number) as new:
        if new:
            async with request.form(max_files=PART_FILES, max_fields=PART_FIELDS) as form:
                files = [(one.filename or "unnamed", one.file) for one in form.getlist("f") if hasattr(one, "file")]
                await _of_project(request, lambda project: project.stage_many(batch, files))
    return JSONResponse({"kept": True})


async def end(request: Request) -> Response:
    """All parts were sent: the batch's job is queued, whether or not a page still watches. Tells what is kept."""
    batch = _batch(request)

    def submit(project) -> int:
        _must_be_open(project, batch)
        count = len(project.staged(batch))
        if count:
            project.submit(batch)
        return count

    return JSONResponse({"kept": await _of_project(request, submit)})


def _must_be_open(project, batch: int) -> None:
    if not project.takes_files(batch):
        raise NotFound("NOT_FOUND", what="The delivery")


def _check_room(request: Request) -> None:
    """Refuse a body that is too large, or that would fill the disk on which everybody works."""
    size = request.headers.get("content-length", "")
    if not size.isdecimal() or int(size) > BODY_BYTES:
        raise HTTPException(413, detail=f"Expected at most {BODY_BYTES / 1e9:g} GB at once.")
    # Starlette keeps a part in the system's temporary folder before it is staged.
    free = min(shutil.disk_usage(folder).free for folder in (store().root, tempfile.gettempdir()))
    if free < 2 * int(size) + RESERVE_BYTES:
        raise HTTPException(507, detail=sentence("DISK_FULL", {}))


@contextmanager
def _once(opener: str, batch: int, number: str) -> Iterator[bool]:
    """Whether a part is to be stored: not if it is here, and not while its first copy is still being written."""
    key = (opener, batch)
    with _parts_lock:
        here, coming = _parts.setdefault(key, (set(), set()))
        if number in coming:
            raise HTTPException(409)
        new = number not in here
        if new:
            coming.add(number)
        while len(_parts) > UPLOADS_REMEMBERED:
            _parts.pop(next(iter(_parts)))
    try:
        yield new
        here.add(number)
    finally:
        if new:
            coming.discard(number)


def _batch(request: Request) -> int:
    return min(request.path_params["batch"], LARGEST_ID)


def _item(request: Request) -> int:
    return min(request.path_params["item"], LARGEST_ID)


async def _of_project(request: Request, ask, limiter: CapacityLimiter | None = None):
    """Ask the token's project on a thread, so that nobody else waits for the disk."""
    project_id, _, mac = request.path_params["token"].partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(project_id).encode()):
        raise HTTPException(404)
    try:
        return await to_thread.run_sync(lambda: ask(store().open(project_id)), limiter=limiter)
    except NotFound:
        raise HTTPException(404) from None
    except DN2Error as error:
        # Too little disk or memory: the browser is told why, in a sentence.
        raise HTTPException(507, detail=str(error)) from None


def _kept(data: bytes, kind: str, headers: dict | None = None) -> Response:
    shared = {"Cache-Control": "private, max-age=86400", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=kind, headers={**shared, **(headers or {})})


ROUTES = [
    Route("/dn2/thumbs/{token}", thumbs),
    Route("/dn2/image/{token}/{item:int}", image),
    Route("/dn2/saw/{token}/{item:int}", saw),
    Route("/dn2/heat/{token}/{item:int}", heat),
    Route("/dn2/difference/{token}/{item:int}/{other:int}", difference),
    Route("/dn2/upload/{token}", begin, methods=["POST"]),
    Route("/dn2/upload/{token}/{batch:int}", part, methods=["POST"]),
    Route("/dn2/upload/{token}/{batch:int}/end", end, methods=["POST"]),
]
