"""The server: `streamlit run app.py`. pages/frame.py names the pages, pages/parts/routes.py our own routes."""

import sys
from contextlib import asynccontextmanager

import anyio
import streamlit as st

from dn2core.errors import DN2Error
from pages.parts.header import unforeseen
from pages.parts.routes import ROUTES
from pages.parts.service import service


@asynccontextmanager
async def with_workers(app):
    """Data folder and workers open with the server, so that the network is warm at the first click."""
    try:
        opened = await anyio.to_thread.run_sync(service)
    except DN2Error as error:
        sys.exit(f"The app cannot start. {error}")
    try:
        yield
    finally:
        await anyio.to_thread.run_sync(opened.close)


app = st.App("pages/frame.py", routes=ROUTES, lifespan=with_workers, on_script_error=unforeseen)
