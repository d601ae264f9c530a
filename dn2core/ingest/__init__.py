"""Bytes to checked images."""

from dn2core.ingest.decode import Decoded, decode
from dn2core.ingest.intake import check_all
from dn2core.ingest.limits import Limits
from dn2core.ingest.names import show
from dn2core.ingest.sources import Listing, Source, sources_of_file, sources_of_folder, sources_of_zip
from dn2core.ingest.thumbnail import safe_copy, thumbnail

__all__ = [
    "Decoded",
    "Limits",
    "Listing",
    "Source",
    "check_all",
    "decode",
    "safe_copy",
    "show",
    "sources_of_file",
    "sources_of_folder",
    "sources_of_zip",
    "thumbnail",
]
