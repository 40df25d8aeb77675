"""A picture as a filter sees it."""

from typing import List, Optional, Tuple

import numpy as np

from .results import Detection

#: Bytes per pixel of the formats that a filter may ask for.
FORMATS = {"RGB": 3, "BGR": 3, "GRAY": 1, "RGBA": 4, "BGRA": 4}


class Frame:
    """A picture. `image` is a view of shared memory that is used again two frames later: copy what you keep."""

    __slots__ = ("image", "format", "pts", "number", "full_size", "detections")

    def __init__(
        self,
        image: np.ndarray,
        format: str = "RGB",
        pts: Optional[float] = None,
        number: int = 0,
        full_size: Optional[Tuple[int, int]] = None,
        detections: Optional[List[Detection]] = None,
    ):
        #: uint8, (height, width, channels); (height, width) for GRAY, which is brightness, 0 to 255.
        self.image = image
        #: RGB, BGR, GRAY, RGBA or BGRA.
        self.format = format
        #: When it is shown, in seconds of the stream.
        self.pts = pts
        #: How many frames of the stream came before.
        self.number = number
        #: Width and height of the stream's own picture.
        self.full_size = full_size or (image.shape[1], image.shape[0])
        #: What elements upstream have found in it.
        self.detections = detections or []

    @property
    def width(self) -> int:
        """Width of `image`, in pixels."""
        return self.image.shape[1]

    @property
    def height(self) -> int:
        """Height of `image`, in pixels."""
        return self.image.shape[0]


def view(memory, offset: int, format: str, width: int, height: int, stride: int) -> np.ndarray:
    """An array on shared memory, without copying."""
    pixel = FORMATS[format]
    if pixel == 1:
        return np.ndarray((height, width), np.uint8, memory, offset, (stride, 1))
    return np.ndarray((height, width, pixel), np.uint8, memory, offset, (stride, pixel, 1))
