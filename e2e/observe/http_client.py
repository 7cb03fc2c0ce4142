"""HTTP/1.1 for the observers: one connection that is kept, and nothing hidden. No redirect is
followed, no error is smoothed over: what a visitor would get is what the caller gets."""
import asyncio
from urllib.parse import urlsplit


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


class Connection:
    """One kept connection to an address such as http://127.0.0.1:8080. One request at a time."""

    def __init__(self, address, timeout=60):
        parts = urlsplit(address)
        self.host, self.port = parts.hostname, parts.port or 80
        self.name = parts.netloc
        self.timeout = timeout
        self.reader = self.writer = None

    async def get(self, path):
        """A kept connection that the server closed meanwhile is no error: the request was not read.
        It is asked again, once, on a fresh one."""
        kept = self.writer is not None
        try:
            return await self.send("GET", path)
        except (ConnectionError, asyncio.IncompleteReadError) as problem:
            nothing_came = not getattr(problem, "partial", b"")
            if not (kept and nothing_came):
                raise ConnectionError(f"the connection broke: {problem!r}") from problem
        try:
            return await self.send("GET", path)
        except asyncio.IncompleteReadError as problem:
            raise ConnectionError(f"the connection broke: {problem!r}") from problem

    async def send(self, method, path, headers=None, body=b""):
        """Once. Closes the connection on any failure."""
        try:
            async with asyncio.timeout(self.timeout):
                return await self.exchange(method, path, headers or {}, body)
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    async def exchange(self, method, path, headers, body):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.name}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()
        head = await self.reader.readuntil(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        received = {}
        for field in filter(None, fields):
            name, _, value = field.partition(":")
            received[name.lower()] = value.strip()
        answer = Answer(int(status.split()[1]), received, await self.body(received))
        if received.get("connection", "").lower() == "close":
            self.close()
        return answer

    async def body(self, headers):
        if headers.get("transfer-encoding", "").lower() == "chunked":
            pieces = []
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                pieces.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readuntil(b"\r\n")
            return b"".join(pieces)
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        raise ConnectionError("the answer has no length")
