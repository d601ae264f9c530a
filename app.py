"""The server: `streamlit run app.py`. The pages are named in pages/frame.py, our own routes in pages/parts/routes.py."""

import sys
from contextlib import asynccontextmanager

import anyio
import streamlit as st

from dn2core.errors import DN2Error
from pages.parts.routes import ROUTES
from pages.parts.service import service


@asynccontextmanager
async def with_workers(app):
    """The data folder is opened and its workers start with the server, so that the network is warm at the first click."""
    try:
        opened = await anyio.to_thread.run_sync(service)
    except DN2Error as error:
        sys.exit(f"The app cannot start. {error}")
    try:
        yield
    finally:
        await anyio.to_thread.run_sync(opened.close)


app = st.App("pages/frame.py", routes=ROUTES, lifespan=with_workers)
