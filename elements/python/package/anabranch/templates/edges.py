"""Draws the edges of the picture, as Canny finds them, in numpy alone. Use it with mode=inline."""
from typing import Annotated, Literal

import numpy as np

from anabranch import Filter, Range


class Edges(Filter):
    """Replaces the picture by its edges, or draws them on it."""

    format = "GRAY"

    low: Annotated[int, Range(1, 1000), "A weak edge, kept beside a strong one"] = 60
    high: Annotated[int, Range(1, 1000), "A strong edge"] = 140
    show: Literal["edges", "over"] = "edges"

    def process(self, frame):
        image = frame.image.astype(np.int16)
        # Smooth, then the slope along both sides (Sobel).
        image[1:-1, 1:-1] = (4 * image[1:-1, 1:-1] + image[:-2, 1:-1] + image[2:, 1:-1]
                             + image[1:-1, :-2] + image[1:-1, 2:]) >> 3
        p = np.pad(image, 1, mode="edge")
        dx = p[:-2, 2:] + 2 * p[1:-1, 2:] + p[2:, 2:] - p[:-2, :-2] - 2 * p[1:-1, :-2] - p[2:, :-2]
        dy = p[2:, :-2] + 2 * p[2:, 1:-1] + p[2:, 2:] - p[:-2, :-2] - 2 * p[:-2, 1:-1] - p[:-2, 2:]
        slope = np.abs(dx) + np.abs(dy)
        # Keep the crest of each slope, across its direction.
        s = np.pad(slope, 1)
        flat = np.abs(dx) > np.abs(dy)
        before = np.where(flat, s[1:-1, :-2], s[:-2, 1:-1])
        after = np.where(flat, s[1:-1, 2:], s[2:, 1:-1])
        crest = (slope >= before) & (slope > after)
        strong = np.pad(crest & (slope >= self.high), 1)
        near = strong[:-2, 1:-1] | strong[2:, 1:-1] | strong[1:-1, :-2] | strong[1:-1, 2:] | strong[1:-1, 1:-1]
        edges = crest & (slope >= self.low) & near
        yield np.where(edges, 255, frame.image // 2 if self.show == "over" else 0).astype(np.uint8)
