"""Geometric transformations of an image as one table: which pixel comes from where."""

from dataclasses import dataclass

import numpy as np
import torch

SHIFT = 0.25  # of the side, as in Golan & El-Yaniv 2018: 8 pixels of 32


@dataclass(frozen=True)
class Views:
    """T transformations of a square image.

    sources: (T, side * side) int64: the pixel of the image, rows one after the other, that each pixel is taken from.
    labels: (T, H) int64: what there is to tell about each, by one of H heads.
    classes: how many answers each head has.
    """

    sources: torch.Tensor
    labels: torch.Tensor
    classes: tuple[int, ...]

    def of(self, images: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        """Image i transformed by which[i]: (b, side, side, 3) uint8, from such images and (b,) int64."""
        flat = images.flatten(1, 2)
        return flat[torch.arange(len(flat))[:, None], self.sources[which]].view(images.shape)

    def all_of(self, images: torch.Tensor) -> torch.Tensor:
        """(b * T, side, side, 3) uint8: every image by every transformation, an image's views in a row."""
        return images.flatten(1, 2)[:, self.sources].view(-1, *images.shape[1:])


def rotations(side: int) -> Views:
    """By 0, 90, 180 and 270 degrees (Gidaris et al. 2018)."""
    return _views([(_moved(side, turn=turn), (turn,)) for turn in range(4)], (4,))


def geometric(side: int) -> Views:
    """72: mirrored or not, shifted by a quarter of the side or not along each axis, rotated (Golan & El-Yaniv 2018)."""
    moves = [
        _moved(side, flip=flip, down=down, right=right, turn=turn)
        for flip in (False, True)
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        for turn in range(4)
    ]
    return _views([(move, (number,)) for number, move in enumerate(moves)], (len(moves),))


def three_heads(side: int) -> Views:
    """36 with three questions each: how far rotated, shifted up or down, left or right (Hendrycks et al. 2019)."""
    moves = [
        (_moved(side, down=down, right=right, turn=turn), (turn, down + 1, right + 1))
        for turn in range(4)
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    ]
    return _views(moves, (4, 3, 3))


def _moved(side: int, *, flip: bool = False, down: int = 0, right: int = 0, turn: int = 0) -> np.ndarray:
    """Sources of one transformation: mirrored, then shifted (what comes in is mirrored at the edge), then rotated."""
    step = round(SHIFT * side)
    grid = np.arange(side * side).reshape(side, side)
    if flip:
        grid = grid[:, ::-1]
    padded = np.pad(grid, step, mode="reflect")
    top, left = step * (1 - down), step * (1 - right)
    return np.rot90(padded[top : top + side, left : left + side], turn).ravel()


def _views(moves: list[tuple[np.ndarray, tuple[int, ...]]], classes: tuple[int, ...]) -> Views:
    sources = torch.from_numpy(np.stack([move for move, _ in moves]))
    return Views(sources, torch.tensor([labels for _, labels in moves]), classes)
