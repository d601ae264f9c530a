"""From every kind of stored pixel to 8-bit RGB, by rules that are written down beside the picture."""

import io

import numpy as np
from PIL import Image, ImageCms

from dn2core.errors import Rejected
from dn2core.ingest.formats.header import Header

BAND = 512  # rows turned into an array at a time, so that a large picture is not copied whole


def to_rgb(picture: Image.Image, header: Header) -> tuple[Image.Image, list[str]]:
    """The picture in mode RGB, and a note for every rule that was applied.

    Rules: 16-bit grey // 257 and 12-bit grey // 16 (all 256 levels, nothing clipped); 32-bit integers and floats
    from their own minimum to their own maximum; transparency on white; CMYK and LAB by the embedded profile
    where there is a usable one, else by the plain rule. Profiles of RGB and grey pictures are left aside.

    Raises:
        Rejected: NON_FINITE_PIXELS.
    """
    notes: list[str] = []
    mode = picture.mode
    if mode.startswith("I;16"):
        picture = _sixteen_bit(picture, header, notes)
    elif mode in ("I", "F"):
        picture = _min_max(picture, header, notes)
    elif mode in ("CMYK", "LAB"):
        picture = _by_profile(picture, notes)
    elif header.bits == 16 and mode in ("RGB", "RGBA", "LA"):
        notes.append("SCALED_16_BIT_COLOUR")  # the decoder keeps the upper byte
        if mode == "RGB" and picture.info.pop("transparency", None) is not None:
            notes.append("ALPHA_IGNORED")  # the see-through colour is told in 16 bits, which are gone
    if picture.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in picture.info:
        picture = _on_white(picture, notes)
    return (picture if picture.mode == "RGB" else picture.convert("RGB")), notes


def to_array(picture: Image.Image) -> np.ndarray:
    """(h, w, 3) uint8 of an RGB picture."""
    if picture.height <= 2 * BAND:
        return np.array(picture)
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for top in range(0, picture.height, BAND):
        bottom = min(top + BAND, picture.height)
        pixels[top:bottom] = np.asarray(picture.crop((0, top, picture.width, bottom)))
    return pixels


def _sixteen_bit(picture: Image.Image, header: Header, notes: list[str]) -> Image.Image:
    values = np.asarray(picture).astype(np.uint16)  # native byte order
    clear = picture.info.get("transparency")
    twelve = header.bits == 12
    grey = (values >> 4 if twelve else values // 257).astype(np.uint8)
    if header.inverted:
        grey = 255 - grey
        notes.append("ZERO_IS_WHITE")
    notes.append("SCALED_12_BIT" if twelve else "SCALED_16_BIT")
    if isinstance(clear, int) and (values == clear).any():
        grey = np.where(values == clear, np.uint8(255), grey)
        notes.append("COMPOSITED_ON_WHITE")
    return Image.fromarray(grey)


def _min_max(picture: Image.Image, header: Header, notes: list[str]) -> Image.Image:
    values = np.asarray(picture)
    bad = values.size - int(np.isfinite(values).sum())
    if bad:
        raise Rejected("NON_FINITE_PIXELS", count=bad)
    low, high = float(values.min()), float(values.max())
    notes.append(f"SCALED_MIN_MAX {low:g} {high:g}")
    grey = np.zeros(values.shape, np.uint8)
    if high > low:
        for row in range(0, len(values), BAND):  # float64 for a band only
            part = values[row : row + BAND].astype(np.float64)
            # both halved first: the span of two float64 can be beyond float64
            grey[row : row + BAND] = np.rint((part / 2 - low / 2) / (high / 2 - low / 2) * 255)
    if header.inverted:
        grey = 255 - grey
        notes.append("ZERO_IS_WHITE")
    return Image.fromarray(grey)


def _by_profile(picture: Image.Image, notes: list[str]) -> Image.Image:
    profile = picture.info.get("icc_profile")
    rgb = ImageCms.createProfile("sRGB")
    if picture.mode == "LAB":
        notes.append("LAB_PLAIN")
        return ImageCms.profileToProfile(picture, ImageCms.createProfile("LAB"), rgb, outputMode="RGB")
    if profile:
        try:
            if profile[16:20] != b"CMYK":
                raise ValueError("expected a profile for CMYK")
            ink = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, ink, rgb, outputMode="RGB")
            notes.append("CMYK_BY_PROFILE")
            return converted
        except (ImageCms.PyCMSError, ValueError, OSError):
            notes.append("BROKEN_PROFILE")
    notes.append("CMYK_PLAIN")
    return picture.convert("RGB")


def _on_white(picture: Image.Image, notes: list[str]) -> Image.Image:
    if picture.mode != "RGBA":
        picture = picture.convert("RGBA")
    alpha = picture.getchannel("A")
    lowest, highest = alpha.getextrema()
    if lowest == 255:
        return picture.convert("RGB")
    if highest == 0 and picture.info.get("dn2_alpha_optional"):
        notes.append("ALPHA_IGNORED")
        return picture.convert("RGB")
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=alpha)
    notes.append("COMPOSITED_ON_WHITE")
    return white
