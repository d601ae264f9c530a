"""One module a format: `inspect(data, limits)` reads the structure of a file without decoding a pixel."""

from dn2core.ingest.formats import bmp, jpeg, png, tiff, webp

INSPECT = {"JPEG": jpeg.inspect, "PNG": png.inspect, "BMP": bmp.inspect, "TIFF": tiff.inspect, "WEBP": webp.inspect}

__all__ = ["INSPECT"]
