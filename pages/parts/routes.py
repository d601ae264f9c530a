"""Routes of our own beside the pages: batched thumbnails, whole pictures, and the upload of folders.

They have neither Streamlit's session nor its XSRF check: a token that only a page of this process can
make stands for one project, and every size and count is limited here.
"""

import hashlib
import hmac
import io
import secrets
import struct
import threading
from functools import partial

import streamlit as st
from anyio import to_thread
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dn2core.errors import DN2Error, NotFound
from pages.parts.service import store

THUMBNAILS = 240  # ids a request
PART_FILES = 64  # files a request
PART_FIELDS = 4
BODY_BYTES = 4_000_000_000  # a ZIP comes as one file
LARGEST_ID = 2**63 - 1

_secret = secrets.token_bytes(32)
_parts_here: dict[tuple[str, int], set[str]] = {}
_parts_lock = threading.Lock()


def url(kind: str, project_id: str, *rest: int) -> str:
    """The address of a route for a project: "thumbs", "image", "saw" or "upload"."""
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
    return _kept(head + b"".join(pictures), "application/octet-stream", {"Content-Encoding": "identity"})


async def image(request: Request) -> Response:
    """One whole picture, re-encoded without metadata."""
    data, kind = await _of_project(request, lambda project: project.picture(_item(request)))
    return _kept(data, kind)


async def saw(request: Request) -> Response:
    """The very pixels that the network saw of an image, as PNG."""
    pixels = await _of_project(request, lambda project: project.what_network_saw(_item(request)))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    # Another backbone or preset sees other pixels under the same address.
    return _kept(buffer.getvalue(), "image/png", {"Cache-Control": "no-store"})


async def upload(request: Request) -> Response:
    """A part of a folder: up to 64 files for a batch that was not submitted yet.

    A part that arrived, but whose answer was lost on the way, may be sent again under its number.
    """
    batch, part = min(request.path_params["batch"], LARGEST_ID), request.query_params.get("part", "")[:20]
    size = request.headers.get("content-length", "")
    if not size.isdecimal() or int(size) > BODY_BYTES:
        raise HTTPException(413, detail=f"Expected at most {BODY_BYTES / 1e9:g} GB at once.")
    await _of_project(request, partial(_must_be_open, batch=batch))
    key = (request.path_params["token"], batch)
    if part in _parts_here.get(key, ()):
        return JSONResponse({"kept": True})
    async with request.form(max_files=PART_FILES, max_fields=PART_FIELDS) as form:
        files = [(one.filename or "unnamed", one.file) for one in form.getlist("f") if hasattr(one, "file")]
        await _of_project(request, lambda project: project.stage_many(batch, files))
    with _parts_lock:
        _parts_here.setdefault(key, set()).add(part)
        while len(_parts_here) > 64:
            _parts_here.pop(next(iter(_parts_here)))
    return JSONResponse({"kept": True})


def _must_be_open(project, batch: int) -> None:
    if not project.takes_files(batch):
        raise NotFound("NOT_FOUND", what="The delivery")


def _item(request: Request) -> int:
    return min(request.path_params["item"], LARGEST_ID)


async def _of_project(request: Request, ask):
    """Ask the token's project on a thread, so that nobody else waits for the disk."""
    project_id, _, mac = request.path_params["token"].partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(project_id).encode()):
        raise HTTPException(404)
    try:
        return await to_thread.run_sync(lambda: ask(store().open(project_id)))
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
    Route("/dn2/upload/{token}/{batch:int}", upload, methods=["POST"]),
]
