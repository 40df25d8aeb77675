"""Video filters in Python: subclass Filter, yield Detection, Event, Scalar or a changed picture."""

from .filter import Filter, Range
from .frame import Frame
from .results import Detection, Event, InvalidResult, Scalar
from .tools import Tracks, boxes

__all__ = ["Detection", "Event", "Filter", "Frame", "InvalidResult", "Range", "Scalar", "Tracks", "boxes"]
__version__ = "0.1.0"
