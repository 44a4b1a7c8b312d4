"""A loopback TCP proxy that misbehaves on command: cuts, swallows a reply, stalls, resets."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Fault", "Proxy"]

_CHUNK = 65536


@dataclass
class Fault:
    """What happens once, to the first connection that meets it; `happened` is set when it did.

    cut: after `after` bytes in `direction`, both sides are closed. reset: the same with an RST to the client. stall:
    from then on nothing is forwarded in `direction`. swallow: the chunk from the server that holds `pattern` is not
    forwarded, and the client's connection is closed: what it asked for was done, and it never hears so. `once_sent`
    limits any of them to a connection on which the client has sent these bytes before.
    """

    action: Literal["cut", "reset", "stall", "swallow"]
    direction: Literal["up", "down"] = "down"
    after: int = 0
    pattern: bytes = b""
    once_sent: bytes = b""
    happened: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Forwards to `host:port` from a free loopback port, `port`. `fault` is what shall go wrong next."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self.fault: Fault | None = None
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @classmethod
    @contextlib.contextmanager
    def to(cls, host: str, port: int) -> Iterator["Proxy"]:
        """A proxy for the length of a block."""
        proxy = cls(host, port)
        try:
            yield proxy
        finally:
            proxy.close()

    def close(self) -> None:
        """Stop listening and close every connection."""
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for end in left:
            _close(end)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self._upstream)
            except OSError:
                _close(client)
                continue
            pair = _Pair(self, client, server)
            with self._lock:
                self._open |= {client, server}
            for pump in (pair.up, pair.down):
                threading.Thread(target=pump, daemon=True).start()

    def forget(self, *ends: socket.socket) -> None:
        """Both ends are closed."""
        with self._lock:
            self._open -= set(ends)


class _Pair:
    """One client's connection and the server's."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._bytes = {"up": 0, "down": 0}
        self._sent = b""
        self._armed_for: Fault | None = None

    def up(self) -> None:
        self._pump(self._client, self._server, "up")

    def down(self) -> None:
        self._pump(self._server, self._client, "down")

    def _pump(self, source: socket.socket, sink: socket.socket, direction: Literal["up", "down"]) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                self._bytes[direction] += len(chunk)
                if direction == "up":
                    self._listen(chunk)
                if not self._survives(chunk, direction):
                    return
                sink.sendall(chunk)
        _close(self._client)
        _close(self._server)
        self._proxy.forget(self._client, self._server)

    def _listen(self, chunk: bytes) -> None:
        """Remember whether the client has said what a fault waits for, also across two chunks."""
        fault = self._proxy.fault
        self._sent = (self._sent + chunk)[-(_CHUNK + 256) :]
        if fault is not None and fault.once_sent in self._sent:
            self._armed_for = fault

    def _survives(self, chunk: bytes, direction: Literal["up", "down"]) -> bool:
        fault = self._proxy.fault
        if fault is None or fault.direction != direction or (fault.once_sent and self._armed_for is not fault):
            return True
        due = fault.pattern in chunk if fault.action == "swallow" else self._bytes[direction] > fault.after
        if not due:
            return True
        self._proxy.fault = None
        fault.happened.set()
        if fault.action == "reset":
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fault.action != "stall":
            _close(self._client)
            _close(self._server)
            self._proxy.forget(self._client, self._server)
        return False


def _close(end: socket.socket) -> None:
    """Shut down before closing: a close alone does not wake the other thread's recv, and the peer hears nothing."""
    with contextlib.suppress(OSError):
        if struct.unpack("ii", end.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0] == 0:
            end.shutdown(socket.SHUT_RDWR)
    end.close()
