"""The process in which the engine runs a filter. Nobody calls this by hand."""

import ctypes
import faulthandler
import gc
import mmap
import os
import resource
import signal
import socket
import sys
import time
import traceback
from typing import Any, Dict, List

# The last part of a traceback says what happened.
_LONGEST_TEXT = 6000


def main() -> None:
    """Talks on the socket that is standard input until it is closed."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    # Dies with the engine, whatever the filter is doing.
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        pass
    connection = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    try:
        from .link import Link
    except ImportError:
        return
    link = Link(connection)
    hello = link.receive()
    if hello is None:
        return
    _limit(hello)
    try:
        worker = Worker(link, hello)
    except BaseException as error:  # a filter may raise anything, SystemExit too
        link.send({"op": "failed", "text": _explain(error, hello["file"])})
        return
    worker.run()


def _limit(hello: Dict[str, Any]) -> None:
    megabytes = hello.get("memory_mb", 0)
    if megabytes:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = megabytes << 20
        if most != resource.RLIM_INFINITY:
            wanted = min(wanted, most)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if hello.get("background"):
        # Threads that carry the video go first.
        os.nice(10)


def _explain(error: BaseException, path: str) -> str:
    """The traceback without the frames of this package."""
    if isinstance(error, ImportError) and error.name == "numpy":
        return (
            f"{sys.executable} has no numpy: install it (apt-get install python3-numpy, or pip install numpy), or name "
            f"another interpreter with the property python"
        )
    name = type(error).__name__
    if name in ("ParameterError", "LoadError", "InvalidResult"):
        return str(error)
    here = os.path.dirname(os.path.abspath(__file__))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if os.path.dirname(f.filename) != here]
    frames = [f for f in frames if not f.filename.startswith("<frozen importlib")]
    text = "Traceback (most recent call last):\n" + "".join(traceback.format_list(frames[-20:])) if frames else ""
    return (text + "".join(traceback.format_exception_only(type(error), error))).strip()[-_LONGEST_TEXT:]


class Worker:
    """A filter, and the memory that its frames come in."""

    def __init__(self, link, hello: Dict[str, Any]):
        # Not at the top: what is missing is to be told to the engine.
        from . import filter as filters
        from .answers import collect
        from .frame import Frame, view
        from .load import load
        from .results import Detection

        self.link = link
        self.collect, self.view = collect, view
        self.make_frame, self.read_detection = Frame, Detection.from_json
        self.file = hello["file"]
        cls = load(self.file)
        self.known = filters.parameters(cls)
        self.accept = filters.accept
        values = hello.get("params", {})
        problem = None
        try:
            self.filter = filters.make(cls, values)
        except filters.ParameterError as error:
            # The engine says so to whoever set it; the filter runs with what it has.
            problem = str(error)
            self.filter = filters.make(cls, self.fitting(values))
        self.batch = max(1, int(cls.batch)) if hasattr(cls, "process_batch") else 1
        self.waiting: List[Any] = []
        self.memory = None
        self.slot_bytes = 0
        link.send(
            {
                "op": "ready",
                "name": cls.__name__,
                "format": cls.format,
                "size": int(cls.size),
                "rate": float(cls.rate),
                "slots": self.batch + 2,
                "params": [parameter.to_json() for parameter in self.known.values()],
                "problem": problem,
            }
        )

    def fitting(self, values: Dict[str, Any]) -> Dict[str, Any]:
        """Those of the values that the parameters can have."""
        fitting = {}
        for name, value in values.items():
            try:
                fitting.update(self.accept(self.known, {name: value}))
            except Exception:  # this one does not fit; it was told already
                continue
        return fitting

    def run(self) -> None:
        """Answers until the engine is gone."""
        # What is loaded by now stays: the collector never looks at it again, which would take milliseconds of a frame.
        gc.collect()
        gc.freeze()
        while True:
            message = self.link.receive()
            if message is None:
                return
            op = message["op"]
            if op == "frame":
                self.frame(message)
            elif op == "params":
                self.params(message["values"])
            elif op == "ring":
                self.slot_bytes = message["slot_bytes"]
                descriptor = self.link.descriptor()
                self.memory = mmap.mmap(descriptor, message["slots"] * self.slot_bytes)
                os.close(descriptor)
                self.waiting = []

    def params(self, values: Dict[str, Any]) -> None:
        """Changes parameters between two frames."""
        try:
            new = self.fitting(values)
            for name, parameter in self.known.items():
                value = new.get(name, parameter.default)
                if getattr(self.filter, name) != value:
                    setattr(self.filter, name, value)
                    self.filter.changed(name)
        except BaseException as error:
            self.link.send({"op": "error", "text": _explain(error, self.file)})

    def frame(self, message: Dict[str, Any]) -> None:
        """Looks at one frame and answers."""
        image = self.view(
            self.memory,
            message["slot"] * self.slot_bytes,
            message["format"],
            message["width"],
            message["height"],
            message["stride"],
        )
        pts = message.get("pts")
        frame = self.make_frame(
            image,
            message["format"],
            None if pts is None else pts / 1e9,
            message["number"],
            tuple(message["full"]),
            [self.read_detection(data) for data in message.get("detections", ())],
        )
        seq = message["seq"]
        begun = time.perf_counter()
        try:
            if self.batch > 1:
                results, picture = self.batched(seq, frame), False
            else:
                result, picture = self.collect(self.filter.process(frame), image)
                results = [{"seq": seq, **result}]
            answer = {"op": "result", "seq": seq, "results": results, "picture": picture}
        except BaseException as error:  # also SystemExit: a filter that calls exit() is a filter that failed
            answer = {"op": "error", "seq": seq, "text": _explain(error, self.file)}
        answer["ns"] = int((time.perf_counter() - begun) * 1e9)
        self.link.send(answer)

    def batched(self, seq: int, frame) -> List[Dict[str, Any]]:
        """Keeps frames until there are enough."""
        from .results import InvalidResult

        self.waiting.append((seq, frame))
        if len(self.waiting) < self.batch:
            return []
        waiting, self.waiting = self.waiting, []
        all_yielded = list(self.filter.process_batch([frame for _, frame in waiting]))
        if len(all_yielded) != len(waiting):
            raise InvalidResult(
                f"process_batch gave {len(all_yielded)} lists for {len(waiting)} frames; it must be one for each"
            )
        return [{"seq": seq, **self.collect(yielded, None)[0]} for (seq, _), yielded in zip(waiting, all_yielded)]
