"""What a filter says about a picture."""

import math
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

# How far outside of the picture a box may begin or end: beyond that it was most likely given in pixels.
_OUTSIDE = 1.0
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class InvalidResult(Exception):
    """Something that a filter yielded cannot be used; the text says what and how to put it right."""


def _number(what: str, value: Any, of: str = "") -> float:
    """A finite number; texts are only put together for what is none, as this runs for each box of each picture."""
    if type(value) is float and math.isfinite(value):
        return value
    what = f"{what} of {of}" if of else what
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidResult(f"{what} is {value!r}, which is not a number") from None
    if not math.isfinite(number):
        raise InvalidResult(f"{what} is {number}, which is not finite")
    return number


def _plain(what: str, value: Any) -> Any:
    """A value as JSON can carry it; numpy's own numbers and arrays become plain ones."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return _number(what, value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(what, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(f"{what}[{key!r}]", item) for key, item in value.items()}
    raise InvalidResult(f"{what} is a {type(value).__name__}, which JSON cannot carry")


@dataclass
class Detection:
    """A thing in the picture. Coordinates are relative to the picture: 0 is left or top, 1 right or bottom."""

    label: str
    x: float
    y: float
    width: float
    height: float
    score: float = 1.0
    #: The number that follows the thing from picture to picture; without it, the engine gives one.
    track: Optional[int] = None
    keypoints: Sequence[Tuple[float, float]] = ()
    attributes: Dict[str, Any] = field(default_factory=dict)

    @property
    def centre(self) -> Tuple[float, float]:
        """The middle of the box."""
        return (self.x + self.width / 2, self.y + self.height / 2)

    def to_json(self) -> Dict[str, Any]:
        """The JSON form, the same in events, files and `anabranch eval`. Raises InvalidResult."""
        if not isinstance(self.label, str) or not self.label:
            raise InvalidResult(f"a detection's label is {self.label!r}; it must be a text")
        what = f"the detection '{self.label}'"
        box = {name: _number(name, getattr(self, name), what) for name in ("x", "y", "width", "height")}
        if box["width"] < 0 or box["height"] < 0:
            raise InvalidResult(f"{what} has a negative size, {box['width']:g} x {box['height']:g}")
        for low, size in (("x", "width"), ("y", "height")):
            if box[low] < -_OUTSIDE or box[low] + box[size] > 1 + _OUTSIDE:
                raise InvalidResult(
                    f"{what} goes from {low} = {box[low]:g} to {box[low] + box[size]:g}; coordinates are relative to the "
                    f"picture, 0 to 1: divide pixels by frame.width and frame.height"
                )
        score = _number("score", self.score, what)
        if not 0 <= score <= 1:
            raise InvalidResult(f"score of {what} is {score:g}; it must be 0 to 1")
        data: Dict[str, Any] = {"label": self.label, "score": score, **box}
        if self.track is not None:
            track = _plain(f"track of {what}", self.track)
            if not isinstance(track, int) or isinstance(track, bool) or track < 0:
                raise InvalidResult(f"track of {what} is {self.track!r}; it must be a whole number, 0 or more")
            data["track"] = track
        points = list(self.keypoints)
        if points:
            data["keypoints"] = [self._point(what, point) for point in points]
        if self.attributes:
            data["attributes"] = _plain(f"attributes of {what}", dict(self.attributes))
        return data

    @staticmethod
    def _point(what: str, point: Any) -> List[float]:
        if not hasattr(point, "__len__") or len(point) != 2:
            raise InvalidResult(f"a key point of {what} is {point!r}; it must be (x, y)")
        return [_number(f"a key point of {what}", value) for value in point]

    @staticmethod
    def from_json(data: Dict[str, Any]) -> "Detection":
        """What an element upstream has found."""
        names = ("label", "x", "y", "width", "height", "score", "track", "keypoints", "attributes")
        return Detection(**{name: data[name] for name in names if data.get(name) is not None})


@dataclass
class Event:
    """A message of the pipeline: a name in small letters and dashes, and data that JSON can carry."""

    name: str
    data: Dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> Dict[str, Any]:
        """The JSON form. Raises InvalidResult."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidResult(f"an event's name is {self.name!r}; use small letters, digits and dashes: 'person-crossed'")
        if not isinstance(self.data, dict):
            raise InvalidResult(f"the data of the event '{self.name}' is a {type(self.data).__name__}; it must be a dict")
        return {"name": self.name, "data": _plain(f"data of the event '{self.name}'", self.data)}


@dataclass
class Scalar:
    """A number per frame, such as a count."""

    name: str
    value: float

    def to_json(self) -> Tuple[str, float]:
        """Name and value. Raises InvalidResult."""
        return str(self.name), _number(f"the scalar '{self.name}'", self.value)
