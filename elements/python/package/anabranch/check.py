"""Tries a filter on a test picture, without a pipeline: its parameters, its results and how long it takes."""

import json
import time
from typing import Any, Dict, List

import numpy as np

from .filter import accept, make, parameters
from .frame import FORMATS, Frame
from .load import load
from .answers import collect


def picture(number: int, width: int, height: int) -> np.ndarray:
    """A test picture: a bright square that moves over a gradient. RGB."""
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 120, width).astype(np.uint8)
    image[..., 1] = np.linspace(0, 120, height).astype(np.uint8)[:, None]
    image[..., 2] = 60
    side = max(1, min(width, height) // 5)
    left = (number * max(1, width // 60)) % max(1, width - side)
    top = height // 3
    image[top : top + side, left : left + side] = 240
    return image


def convert(rgb: np.ndarray, format: str) -> np.ndarray:
    """A picture in the format that a filter asks for."""
    if format == "GRAY":
        return (rgb @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    if format in ("BGR", "BGRA"):
        rgb = rgb[..., ::-1]
    if FORMATS[format] == 4:
        rgb = np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)], axis=2)
    return np.ascontiguousarray(rgb)


def describe(path: str) -> Dict[str, Any]:
    """What a file declares, as JSON."""
    cls = load(path)
    return {
        "name": cls.__name__,
        "summary": " ".join((cls.__doc__ or "").split()),
        "format": cls.format,
        "size": int(cls.size),
        "rate": float(cls.rate),
        "params": [parameter.to_json() for parameter in parameters(cls).values()],
    }


def value(text: str) -> Any:
    """A value from the command line."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def check(path: str, values: Dict[str, Any], frames: int, width: int, height: int, given: Any) -> int:
    """Prints what a filter declares, finds and costs. Returns 0."""
    cls = load(path)
    known = parameters(cls)
    instance = make(cls, accept(known, values))
    print(f"{cls.__name__}: takes {cls.format}, " + (f"at most {cls.size} pixels long" if cls.size else "at full size"))
    for parameter in known.values():
        print(f"  {parameter.name} = {getattr(instance, parameter.name)!r}  ({parameter.takes()})  {parameter.summary}".rstrip())
    if cls.size and max(width, height) > cls.size:
        scale = cls.size / max(width, height)
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
    times: List[float] = []
    result: Dict[str, Any] = {}
    events: List[Any] = []
    changed = False
    batch: List[Frame] = []
    for number in range(frames):
        image = given.copy() if given is not None else picture(number, width, height)
        frame = Frame(convert(image, cls.format), cls.format, number / 30, number)
        begun = time.perf_counter()
        if hasattr(cls, "process_batch") and cls.batch > 1:
            batch.append(frame)
            if len(batch) == cls.batch:
                for yielded in list(instance.process_batch(batch)):
                    result, _ = collect(yielded, None)
                    events += result.get("events", [])
                batch = []
        else:
            result, changed = collect(instance.process(frame), frame.image)
            events += result.get("events", [])
        times.append(time.perf_counter() - begun)
    p50, p95, p99 = (np.percentile(times, part) * 1e3 for part in (50, 95, 99))
    print(f"{frames} frames of {image.shape[1]}x{image.shape[0]}: p50 {p50:.2f} ms, p95 {p95:.2f} ms, p99 {p99:.2f} ms")
    print(f"last frame: {len(result.get('detections', []))} detections" + (", a changed picture" if changed else ""))
    for detection in result.get("detections", [])[:10]:
        print("  " + json.dumps(detection))
    for name, number in result.get("scalars", {}).items():
        print(f"  {name} = {number:g}")
    print(f"events: {len(events)}")
    for event in events[:10]:
        print("  " + json.dumps(event))
    return 0
