"""Small helpers that many filters need: connected parts of a mask, and following things over frames."""

from typing import List, Tuple

import numpy as np

from .results import Detection


def boxes(mask: np.ndarray, cell: int = 8, fill: float = 0.3, least: int = 2) -> List[Tuple[float, float, float, float]]:
    """The boxes (x, y, width, height; relative, 0 to 1) of the connected parts of a mask.

    The mask is looked at in cells of `cell` x `cell` pixels; a cell counts if the part `fill` of it is set. Parts of
    fewer than `least` cells are left out. The biggest come first.
    """
    height, width = mask.shape
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.zeros((rows * cell, columns * cell), np.float32)
    padded[:height, :width] = mask
    share = padded.reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    active = share >= fill
    # Every active cell takes the greatest number among its neighbours until nothing changes: one number per part.
    labels = np.zeros((rows + 2, columns + 2), np.int32)
    inner = labels[1:-1, 1:-1]
    inner[active] = np.arange(1, int(active.sum()) + 1)
    while True:
        before = inner.copy()
        across = np.maximum(np.maximum(labels[:, :-2], labels[:, 2:]), labels[:, 1:-1])
        best = np.maximum(np.maximum(across[:-2], across[2:]), across[1:-1])
        inner[active] = best[active]
        if np.array_equal(before, inner):
            break
    found = []
    for label in np.unique(inner[active]):
        ys, xs = np.nonzero(inner == label)
        if len(ys) >= least:
            left, right = xs.min() * cell, min((xs.max() + 1) * cell, width)
            top, bottom = ys.min() * cell, min((ys.max() + 1) * cell, height)
            found.append((len(ys), (left / width, top / height, (right - left) / width, (bottom - top) / height)))
    found.sort(key=lambda part: -part[0])
    return [box for _, box in found]


class Tracks:
    """Numbers things so that the same thing keeps its number from frame to frame: nearest centres first."""

    def __init__(self, reach: float = 0.08, patience: int = 8):
        #: How far a thing may move between two looks, relative to the picture.
        self.reach = reach
        #: For how many looks a thing that is not found is remembered.
        self.patience = patience
        self._known = {}
        self._next = 1

    def update(self, detections: List[Detection]) -> List[Detection]:
        """Gives each detection its `track`, and returns them."""
        pairs = sorted(
            (abs(cx - x) + abs(cy - y), track, index)
            for index, (cx, cy) in enumerate(detection.centre for detection in detections)
            for track, (x, y, _) in self._known.items()
        )
        taken = set()
        for distance, track, index in pairs:
            if distance > self.reach:
                break
            if detections[index].track is None and track not in taken:
                detections[index].track = track
                taken.add(track)
        for detection in detections:
            if detection.track is None:
                detection.track = self._next
                self._next += 1
            self._known[detection.track] = (*detection.centre, 0)
            taken.add(detection.track)
        for track, (x, y, missed) in list(self._known.items()):
            if track not in taken:
                self._known[track] = (x, y, missed + 1)
                if missed >= self.patience:
                    del self._known[track]
        return detections
