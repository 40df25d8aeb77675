"""What a filter yielded, sorted for the answer."""

import os
from typing import Any, Dict

import numpy as np

from .results import Detection, Event, InvalidResult, Scalar


def collect(yielded: Any, image: Any):
    """What was yielded for one frame, as JSON, and whether `image`, in shared memory, was changed. Raises InvalidResult."""
    result: Dict[str, Any] = {}
    picture = False
    if yielded is None:
        return result, picture
    try:
        items = iter(yielded)
    except TypeError:
        raise InvalidResult(f"process gave a {type(yielded).__name__}; it must yield its results, or return a list") from None
    code = getattr(yielded, "gi_code", None)
    while True:
        try:
            item = next(items)
        except StopIteration:
            return result, picture
        line = getattr(getattr(yielded, "gi_frame", None), "f_lineno", None)
        try:
            if isinstance(item, Detection):
                result.setdefault("detections", []).append(item.to_json())
            elif isinstance(item, Event):
                result.setdefault("events", []).append(item.to_json())
            elif isinstance(item, Scalar):
                name, value = item.to_json()
                result.setdefault("scalars", {})[name] = value
            elif isinstance(item, np.ndarray) and image is not None:
                if item.shape != image.shape:
                    raise InvalidResult(f"the changed picture is {item.shape}; it must be as frame.image, {image.shape}")
                if item is not image:
                    # Not `unsafe` casting of what is out of range: that would wrap around.
                    image[...] = item if item.dtype == np.uint8 else np.clip(item, 0, 255)
                picture = True
            else:
                raise InvalidResult(
                    f"a {type(item).__name__} ({str(item)[:60]}); yield Detection, Event, Scalar or an array of the picture"
                )
        except InvalidResult as error:
            place = f"{os.path.basename(code.co_filename)}, line {line}: " if code and line else ""
            raise InvalidResult(f"{place}the result is not valid: {error}") from None
