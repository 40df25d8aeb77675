"""The conversation with the engine: JSON with its length before it, on a Unix socket; shared memory comes as a file
descriptor beside a message."""

import array
import json
import socket
import struct
from typing import Any, Dict, List, Optional

_LENGTH = struct.Struct("<I")
_MOST = 64 << 20
# Room for a few file descriptors beside a message.
_BESIDE = socket.CMSG_SPACE(4 * array.array("i").itemsize)
# Made once: with options, json.dumps makes a new one for each message.
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class Link:
    """One end of the conversation."""

    def __init__(self, connection: socket.socket):
        self._socket = connection
        self._bytes = bytearray()
        self._chunk = memoryview(bytearray(1 << 16))
        self._descriptors: List[int] = []

    def send(self, message: Dict[str, Any]) -> None:
        """Sends a message. Raises ValueError if a number in it is not finite."""
        data = _encode(message).encode()
        self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> Optional[Dict[str, Any]]:
        """The next message, or None when the engine is gone."""
        while True:
            if len(self._bytes) >= 4:
                (length,) = _LENGTH.unpack_from(self._bytes)
                if length > _MOST:
                    raise ValueError(f"a message of {length} bytes")
                if len(self._bytes) >= 4 + length:
                    message = json.loads(self._bytes[4 : 4 + length].decode())
                    del self._bytes[: 4 + length]
                    return message
            got, ancillary, _, _ = self._socket.recvmsg_into([self._chunk], _BESIDE)
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    received = array.array("i")
                    received.frombytes(content[: len(content) - len(content) % received.itemsize])
                    self._descriptors.extend(received)
            if not got:
                return None
            self._bytes += self._chunk[:got]

    def descriptor(self) -> int:
        """The file descriptor that came first and was not taken yet."""
        return self._descriptors.pop(0)
