# SPDX-License-Identifier: MIT
"""An HTTP client that says exactly how a request failed. Loopback only."""

import socket
import threading
import time

from .pace import patience

OK, REFUSED, CUT, HUNG = "ok", "refused", "cut", "hung"
TIMEOUTS = (TimeoutError, socket.timeout)   # two types before Python 3.10


class Response:
    """outcome is OK, REFUSED (no connection), CUT (ended early) or HUNG (no end in time)."""

    def __init__(self, outcome, status=0, headers=None, body=b"", error=""):
        self.outcome = outcome
        self.status = status
        self.headers = headers or {}
        self.body = body
        self.error = error

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"<{self.outcome} {self.status} {self.error or self.text[:80]!r}>"


def _connect(where, seconds):
    """where: a port on 127.0.0.1, (host, port), (host, port, own address), or the path of a
    unix socket."""
    seconds = patience(seconds)
    if isinstance(where, int):
        where = ("127.0.0.1", where)
    if isinstance(where, tuple):
        own = (where[2], 0) if len(where) > 2 else None
        return socket.create_connection(where[:2], seconds, own)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(seconds)
    try:
        s.connect(str(where))
    except OSError:
        s.close()
        raise
    return s


def _read_response(stream):
    line = stream.readline()
    if not line:
        raise ConnectionError("closed without an answer")
    status = int(line.split()[1])
    headers = {}
    while True:
        line = stream.readline()
        if line in (b"\r\n", b"\n"):
            break
        if not line:
            raise ConnectionError("closed within the headers")
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return status, headers, _read_body(stream, headers)


def _read_body(stream, headers):
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while True:
            size = int(stream.readline().split(b";")[0], 16)
            piece = stream.read(size)
            stream.readline()
            if size == 0:
                return body
            if len(piece) < size:
                raise ConnectionError("closed within the body")
            body += piece
    if "content-length" in headers:
        length = int(headers["content-length"])
        body = stream.read(length)
        if len(body) < length:
            raise ConnectionError("closed within the body")
        return body
    return stream.read()


def get(where, path="/", seconds=10.0):
    """One request on a connection of its own. Never raises for what the server does."""
    try:
        s = _connect(where, seconds)
    except TIMEOUTS as e:
        return Response(HUNG, error=f"connect: {e}")
    except OSError as e:
        return Response(REFUSED, error=f"connect: {e}")
    try:
        with s, s.makefile("rb") as stream:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                      .encode())
            status, headers, body = _read_response(stream)
            return Response(OK, status, headers, body)
    except TIMEOUTS as e:
        return Response(HUNG, error=str(e))
    except (OSError, ValueError, IndexError) as e:
        return Response(CUT, error=str(e))


class KeepAlive:
    """One connection for many requests; raises what the socket raises."""

    def __init__(self, where, seconds=10.0):
        self._socket = _connect(where, seconds)
        self._stream = self._socket.makefile("rb")

    def get(self, path="/"):
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return Response(OK, *_read_response(self._stream))

    def close(self):
        self._stream.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Clients:
    """Threads that ask from the beginning of a `with` to its end."""

    def __init__(self, parallel, ask):
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=ask, daemon=True) for _ in range(parallel)]

    def __enter__(self):
        for t in self._threads:
            t.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for t in self._threads:
            t.join()


class Keeping(_Clients):
    """`with Keeping(port, 4) as kept:` clients that each keep a connection, and ask again and
    again. A new one follows an answer that says `Connection: close`; a request is repeated
    when a connection that was used before is closed without an answer (RFC 9112, 9.3.1), and
    that is counted. Whatever else happens is a problem."""

    def __init__(self, where, parallel, pause=0.0):
        super().__init__(parallel, self._run)
        self.answers = self.repeats = self.polite = 0
        self.problems = []
        self._args = (where, pause)

    def _count(self, name):
        with self._lock:
            setattr(self, name, getattr(self, name) + 1)

    def _one(self, where, pause):
        used = False
        with KeepAlive(where) as c:
            while not self._stop.is_set():
                try:
                    answer = c.get()
                except (OSError, ValueError, IndexError):
                    if not used:
                        raise
                    self._count("repeats")
                    return
                if answer.status != 200:
                    raise ValueError(str(answer))
                used = True
                self._count("answers")
                if answer.headers.get("connection") == "close":
                    self._count("polite")
                    return
                time.sleep(pause)

    def _run(self):
        while not self._stop.is_set():
            try:
                self._one(*self._args)
            except (OSError, ValueError, IndexError) as e:
                with self._lock:
                    self.problems.append(repr(e))


def many(where, count, parallel, path="/", seconds=10.0):
    """count requests, `parallel` at a time, each on a connection of its own."""
    results = []
    lock = threading.Lock()
    left = [count]

    def client():
        while True:
            with lock:
                if left[0] == 0:
                    return
                left[0] -= 1
            answer = get(where, path, seconds)
            with lock:
                results.append(answer)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(parallel)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


class Load(_Clients):
    """`with Load(port, 8) as load:` clients that ask again and again until the end. Those that
    ask for an hour keep only what was not well: a collector of garbage that walks through
    millions of answers holds every thread up for seconds."""

    def __init__(self, where, parallel, path="/", seconds=10.0, only_bad=False):
        super().__init__(parallel, self._ask)
        self.results = []
        self.asked = self._well = 0
        self._only_bad = only_bad
        self._args = (where, path, seconds)

    def _ask(self):
        while not self._stop.is_set():
            answer = get(*self._args)
            well = answer.outcome == OK
            with self._lock:
                self.asked += 1
                self._well += well
                if not (self._only_bad and well and answer.status == 200):
                    self.results.append(answer)

    def count(self, outcome):
        with self._lock:
            return sum(r.outcome == outcome for r in self.results)

    def wait_more(self, more, seconds=10.0):
        """Until `more` further requests have been answered well."""
        goal = self._well + more
        end = time.monotonic() + patience(seconds)
        while self._well < goal and time.monotonic() < end:
            time.sleep(0.01)
        return self._well >= goal


def background(where, path, seconds=30.0):
    """A request in a thread; call the result to get the Response."""
    box = []
    t = threading.Thread(target=lambda: box.append(get(where, path, seconds)),
                         daemon=True)
    t.start()

    def result():
        t.join()
        return box[0]

    return result
