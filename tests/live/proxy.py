"""A TCP proxy on loopback whose connections can be cut."""

import socket
import struct
import threading


class Proxy:
    def __init__(self, port):
        self.target = port
        # Whether connections are accepted and closed at once.
        self.is_closed = False
        self._lock = threading.Lock()
        # Both ends of each connection, and what the client asked first.
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            if self.is_closed:
                raise OSError("closed")
            server = socket.create_connection(("127.0.0.1", self.target), 5)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        entry = {"client": client, "server": server, "asked": b""}
        with self._lock:
            self._open.append(entry)
        ahead = threading.Thread(target=self._pump, args=(client, server, entry), daemon=True)
        ahead.start()
        self._pump(server, client, None)
        ahead.join()
        with self._lock:
            self._open.remove(entry)
        client.close()
        server.close()

    @staticmethod
    def _pump(source, sink, entry):
        try:
            while part := source.recv(1 << 16):
                if entry is not None and not entry["asked"]:
                    entry["asked"] = part.split(b"\r\n")[0]
                sink.sendall(part)
        except OSError:
            pass
        # The end of one direction is that of both.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def streams(self, path="/events"):
        """How many streams of this path are open."""
        with self._lock:
            return sum(entry["asked"].startswith(f"GET {path} ".encode()) for entry in self._open)

    def cut(self, by_reset):
        """Ends all connections: by a reset, or as if the server had ended them."""
        with self._lock:
            for entry in self._open:
                if by_reset:
                    entry["client"].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # Both threads use the socket, so that closing it does not yet send the reset.
                    entry["server"].shutdown(socket.SHUT_RDWR)
                else:
                    entry["client"].shutdown(socket.SHUT_WR)
                    entry["server"].shutdown(socket.SHUT_RDWR)
