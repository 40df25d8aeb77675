"""The package without the engine: parameters, results, and the worker's end of the conversation."""

import array
import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import unittest

import numpy as np

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, HERE)

from anabranch import Detection, Event, Filter, InvalidResult, Scalar, Tracks, boxes  # noqa: E402
from anabranch.filter import ParameterError, accept, parameters  # noqa: E402
from anabranch.link import Link  # noqa: E402
from anabranch.load import LoadError, load  # noqa: E402
from anabranch.answers import collect  # noqa: E402

HEAD = """
from typing import Annotated, ClassVar, Literal
import time
import numpy as np
from anabranch import Detection, Event, Filter, Range, Scalar
"""


class Files(unittest.TestCase):
    """Tests with a file of a filter."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, text, name="mine.py"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(HEAD + textwrap.dedent(text))
        return path


class Declarations(Files):
    def test_parameters_have_types_and_ranges(self):
        cls = load(
            self.file(
                """
                class Mine(Filter):
                    level: Annotated[int, Range(0, 255), "How bright"] = 45
                    share: float = 1
                    kind: Literal["a", "b"] = "a"
                    on: bool = False
                    title: str = ""
                    cache: ClassVar[dict] = {}
                """
            )
        )
        known = parameters(cls)
        self.assertEqual(list(known), ["level", "share", "kind", "on", "title"])
        self.assertEqual(known["level"].to_json(), {"name": "level", "type": "int", "default": 45, "min": 0, "max": 255, "summary": "How bright"})
        self.assertEqual(accept(known, {"level": 7.0, "share": 2}), {"level": 7, "share": 2.0})
        for values, words in [
            ({"level": 256}, "'level' takes a whole number from 0 to 255, not 256"),
            ({"level": True}, "'level' takes"),
            ({"level": 1.5}, "'level' takes"),
            ({"kind": "c"}, "one of a, b"),
            ({"on": 1}, "true or false"),
            ({"other": 1}, "there is no parameter 'other'"),
        ]:
            with self.assertRaisesRegex(ParameterError, words):
                accept(known, values)

    def test_what_cannot_be_a_parameter_is_refused(self):
        for line, words in [
            ("a: list = []", "a parameter is int, float, bool, str or Literal"),
            ("a: int", "has no default"),
            ("a: Annotated[int, Range(1, 2)] = 3", "takes a whole number from 1 to 2, not 3"),
            ("a: Literal[1, 2] = 1", "must all be texts"),
        ]:
            cls = load(self.file(f"class Mine(Filter):\n    {line}\n"))
            with self.assertRaisesRegex(ParameterError, words):
                parameters(cls)

    def test_a_file_has_one_filter(self):
        with self.assertRaisesRegex(LoadError, "there are: none"):
            load(self.file("x = 1"))
        with self.assertRaisesRegex(LoadError, "there are: A, B"):
            load(self.file("class A(Filter): pass\nclass B(Filter): pass"))
        self.assertEqual(load(self.file("class A(Filter): pass\nclass B(A): pass")).__name__, "B")


class Results(unittest.TestCase):
    def test_what_is_yielded_is_sorted(self):
        image = np.zeros((4, 6), np.uint8)
        yielded = [
            Detection("a", 0.1, 0.2, 0.3, 0.4, track=np.int64(3), keypoints=[(0.5, 0.5)], attributes={"n": np.float32(0.5)}),
            Event("came-in", {"ids": np.arange(2)}),
            Scalar("count", np.int32(2)),
            np.full((4, 6), 300.0),
        ]
        result, picture = collect(iter(yielded), image)
        self.assertTrue(picture and (image == 255).all())
        self.assertEqual(json.loads(json.dumps(result))["detections"][0]["track"], 3)
        self.assertEqual(result["events"], [{"name": "came-in", "data": {"ids": [0, 1]}}])
        self.assertEqual(result["scalars"], {"count": 2.0})
        self.assertEqual(collect(None, image), ({}, False))

    def test_nonsense_is_refused_with_its_place(self):
        def process():
            yield Detection("a", 0, 0, 1, 1)
            yield 3

        with self.assertRaisesRegex(InvalidResult, r"test_package.py, line \d+: the result is not valid: a int \(3\)"):
            collect(process(), None)
        for item in [
            Detection("", 0, 0, 1, 1),
            Detection("a", 0, 0, -1, 1),
            Detection("a", 0, 0, 1, 1, score=2),
            Detection("a", 0, 0, 1, 1, track="x"),
            Detection("a", 0, 0, 1, 1, keypoints=[(1,)]),
            Detection("a", float("inf"), 0, 1, 1),
            Detection("a", 0, 0, 1, 1, attributes={"x": object()}),
            Event("x", []),
        ]:
            with self.assertRaises(InvalidResult):
                collect([item], None)
        with self.assertRaisesRegex(InvalidResult, "it must yield"):
            collect(3, None)


class Tools(unittest.TestCase):
    def test_parts_of_a_mask_are_apart(self):
        mask = np.zeros((90, 120), bool)
        mask[8:40, 8:24] = True
        mask[56:80, 64:112] = True
        self.assertEqual([tuple(round(v * s) for v, s in zip(box, (120, 90, 120, 90))) for box in boxes(mask)], [(64, 56, 48, 24), (8, 8, 16, 32)])
        self.assertEqual(boxes(np.zeros((5, 5), bool)), [])

    def test_a_snake_is_one_part(self):
        mask = np.zeros((80, 80), bool)
        for row in range(0, 10, 2):
            mask[row * 8 : row * 8 + 8] = True
        for turn, row in enumerate(range(1, 9, 2)):
            column = 72 if turn % 2 == 0 else 0
            mask[row * 8 : row * 8 + 8, column : column + 8] = True
        self.assertEqual(len(boxes(mask)), 1)

    def test_things_keep_their_numbers(self):
        tracks = Tracks()
        for step in range(20):
            left = Detection("a", 0.1 + step * 0.02, 0.2, 0.1, 0.1)
            right = Detection("a", 0.8 - step * 0.02, 0.6, 0.1, 0.1)
            found = tracks.update([left, right] if step % 2 else [right, left])
            self.assertEqual((left.track, right.track), (2, 1), step)
            self.assertEqual(len(found), 2)


class Conversation(Files):
    """A worker process, talked to as the engine does."""

    def start(self, text, **hello):
        here, there = socket.socketpair()
        self.addCleanup(here.close)
        here.settimeout(20)
        begin = "import sys; sys.path = [sys.argv[1]] + [p for p in sys.path if p]; from anabranch.worker import main; main()"
        process = subprocess.Popen([sys.executable, "-c", begin, HERE], stdin=there, stderr=subprocess.PIPE)
        there.close()
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        link = Link(here)
        link.send({"file": self.file(text), "params": {}, "memory_mb": 0, "background": False, **hello})
        return link, here, process

    def ring(self, connection, slots, slot_bytes):
        memory = os.memfd_create("test")
        os.ftruncate(memory, slots * slot_bytes)
        data = json.dumps({"op": "ring", "slots": slots, "slot_bytes": slot_bytes}).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]))]
        connection.sendmsg([len(data).to_bytes(4, "little") + data], rights)
        return memory

    def test_a_frame_is_seen_and_changed_in_shared_memory(self):
        link, connection, process = self.start(
            """
            class Mine(Filter):
                format = "GRAY"
                level: int = 3
                def process(self, frame):
                    yield Detection("mean", 0, 0, 1, 1, attributes={"mean": frame.image.mean(), "pts": frame.pts})
                    frame.image[:] = self.level
                    yield frame.image
            """,
            params={"level": 9},
        )
        ready = link.receive()
        self.assertEqual((ready["op"], ready["format"], ready["problem"]), ("ready", "GRAY", None))
        memory = self.ring(connection, 2, 4096)
        os.pwrite(memory, bytes([7]) * 4096, 4096)
        frame = {"op": "frame", "seq": 5, "slot": 1, "format": "GRAY", "width": 10, "height": 4, "stride": 12, "pts": 2_000_000_000, "number": 0, "full": [10, 4]}
        link.send(frame)
        answer = link.receive()
        self.assertEqual(answer["results"][0]["detections"][0]["attributes"], {"mean": 7.0, "pts": 2.0})
        self.assertTrue(answer["picture"] and answer["ns"] > 0)
        self.assertEqual(os.pread(memory, 14, 4096), bytes([9] * 10 + [7, 7] + [9] * 2), "padding is left alone")
        os.close(memory)
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(process.wait(20), 0, "it ends with the conversation")

    def test_failures_are_told_and_survived(self):
        link, connection, _ = self.start("class Mine(Filter):\n    def process(self, frame):\n        raise SystemExit(3)\n")
        link.receive()
        os.close(self.ring(connection, 1, 4096))
        for seq in range(2):
            link.send({"op": "frame", "seq": seq, "slot": 0, "format": "RGB", "width": 4, "height": 4, "stride": 12, "pts": 0, "number": 0, "full": [4, 4]})
            answer = link.receive()
            self.assertEqual((answer["op"], answer["seq"]), ("error", seq))
            self.assertIn("in process", answer["text"])
            self.assertNotIn("worker.py", answer["text"])

    def test_a_batch_that_would_not_fit_into_memory_is_told(self):
        text = "class Mine(Filter):\n    batch = 63\n    def process_batch(self, frames):\n        return []\n"
        link, _, _ = self.start(text)
        self.assertIn("from 1 to 62", link.receive()["text"])

    def test_a_file_that_does_not_load_is_told(self):
        link, _, _ = self.start("import no_such_module")
        self.assertIn("No module named 'no_such_module'", link.receive()["text"])

    def test_values_that_do_not_fit_are_told_and_the_others_kept(self):
        link, _, _ = self.start("class Mine(Filter):\n    level: int = 3\n", params={"level": "x", "other": 1})
        self.assertIn("no parameter 'other'", link.receive()["problem"])


if __name__ == "__main__":
    unittest.main()
