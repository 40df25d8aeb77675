"""Finds bright (or dark) blobs."""
from typing import Annotated, Literal

from anabranch import Detection, Event, Filter, Range, Scalar, boxes


class Blobs(Filter):
    """Finds parts of the picture that are brighter or darker than a threshold."""

    format = "GRAY"  # what frame.image is: RGB, BGR, GRAY, RGBA or BGRA
    size = 320  # its longer side; 0 is the stream's own size
    rate = 15  # looks per second at most; 0 is as many as it can do

    threshold: Annotated[int, Range(0, 255), "How bright a blob is"] = 200
    kind: Literal["bright", "dark"] = "bright"
    crowd: Annotated[int, Range(1, 1000), "So many blobs make an event"] = 10

    def setup(self):
        self._crowded = False  # a name with _ in front is no parameter

    def process(self, frame):
        image = frame.image  # a numpy view of shared memory: copy what you keep
        mask = image >= self.threshold if self.kind == "bright" else image <= self.threshold
        found = boxes(mask)
        for x, y, width, height in found:
            yield Detection("blob", x, y, width, height)
        yield Scalar("blobs", len(found))
        if (len(found) >= self.crowd) != self._crowded:
            self._crowded = not self._crowded
            yield Event("crowded", {"crowded": self._crowded, "count": len(found)})
