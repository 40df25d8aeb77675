"""Follows what moves, and tells when somebody crosses a line. The scene must be still."""
from typing import Annotated

import numpy as np

from anabranch import Detection, Event, Filter, Range, Scalar, Tracks, boxes


class Tracker(Filter):
    """Finds what moves before a still background, numbers it, and counts who crosses a line."""

    format = "GRAY"
    size = 384
    rate = 10

    difference: Annotated[int, Range(5, 200), "How much darker or brighter than the background"] = 28
    line: Annotated[float, Range(0, 1), "Where the upright line is; 0 is the left edge"] = 0.5

    def setup(self):
        self._background, self._tracks, self._last, self._count = None, Tracks(), {}, 0

    def process(self, frame):
        image = frame.image.astype(np.float32)
        if self._background is None or self._background.shape != image.shape:
            self._background = image
        moving = np.abs(image - self._background) > self.difference
        # Where nothing moves, the background follows quickly; elsewhere slowly.
        self._background += (image - self._background) * np.where(moving, 0.005, 0.08)
        found = [Detection("mover", *box) for box in boxes(moving, cell=6, least=4) if box[3] > 0.05]
        for mover in self._tracks.update(found):
            side, before = mover.centre[0] > self.line, self._last.get(mover.track)
            if before is not None and before != side:
                self._count += 1
                to = "right" if side else "left"
                yield Event("person-crossed", {"track": mover.track, "to": to, "count": self._count})
            self._last[mover.track] = side
            yield mover
        yield Scalar("movers", len(found))
