"""The answer to one HTTP request, read by llhttp (the parser of Node.js) and bounded here."""

from __future__ import annotations

import zlib
from typing import Final, Literal

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpResponseParser

from .._core.errors import TransportError

_MAX_HEADERS: Final = 100
_HEAD_BYTES: Final = 65_536
"""Before the body: status, headers, and what 1xx answers come before."""
_FRAMING_BYTES: Final = 1_000_000
"""Beside a body in all: head, sizes of chunks, trailers."""


class HttpAnswer:
    """Takes the bytes of an answer as they come. Answers that two readers could understand in two ways are refused: two
    lengths, a length and chunks, folded headers, lines that end otherwise than by CR LF (RFC 9112 §2.2, §5.2, §6.3).

    limit: bytes of a body, once it is decompressed. headers: names in lower case, values of a repeated one joined by
    `, ` (RFC 9110 §5.3); those of 1xx answers and trailers are left out. complete: whether the answer has ended;
    reusable: whether the connection may then carry another.
    Raises TransportError, all `sent="maybe"`: `ANSWER_MALFORMED`, `ANSWER_TOO_BIG`, `ANSWER_ENCODING`,
    `ANSWER_TRUNCATED`, `CONNECTION_LOST`.
    """

    def __init__(self, *, limit: int) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = self.reusable = False
        self._limit = limit
        self._count = self._framing = 0
        self._until_end = False
        self._body = bytearray()
        self._inflater: zlib._Decompress | None = None
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    @property
    def begun(self) -> bool:
        """Whether its head is whole."""
        return self.status != 0

    def feed(self, data: bytes) -> None:
        assert self._parser is not None
        self._framing += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as e:
            if self.complete:
                self.reusable = False  # bytes follow that nobody asked for
            elif isinstance(e, HttpParserCallbackError) and e.__context__ is not None:
                raise e.__context__ from None
            else:
                raise _malformed() from None
        if not self.begun and self._framing > _HEAD_BYTES:
            raise _malformed()
        if self._framing > _FRAMING_BYTES:
            raise self._too_big()

    def end(self) -> None:
        """The connection has ended."""
        if not self._framing:
            raise answer_lost("the connection was lost", "CONNECTION_LOST")
        if not self._until_end:
            raise _cut()
        self._finish()

    def body(self) -> bytes:
        return bytes(self._body)

    def close(self) -> None:
        """The parser and this, which it calls, hold each other: without this, until the next garbage collection."""
        self._parser = None

    def _finish(self) -> None:
        if self._inflater is not None and not self._inflater.eof:
            raise _cut()
        self.complete = True

    def _too_big(self) -> TransportError:
        return answer_lost(f"the answer is over {self._limit} bytes", "ANSWER_TOO_BIG")

    # --- what the parser calls; what is raised here comes out of `feed` ---

    def on_message_begin(self) -> None:
        if self.complete:
            raise _malformed()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        if self._count > _MAX_HEADERS:
            raise _malformed()
        if not self.begun:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self.headers
        assert parser is not None
        status = parser.get_status_code()
        if 100 <= status < 200:  # another answer follows, but after 101, which the parser itself refuses to pass
            headers.clear()
            return
        if status < 200 or parser.get_http_version() not in ("1.1", "1.0"):
            raise _malformed()
        length = headers.get("content-length")
        if length is not None and int(length) > self._limit:
            raise self._too_big()
        encoding = headers.get("content-encoding", "identity").lower()
        if (
            encoding not in ("identity", "gzip", "x-gzip")
            or headers.get("transfer-encoding", "chunked").lower() != "chunked"
        ):
            raise answer_lost("the answer has an encoding that was not asked for", "ANSWER_ENCODING")
        if encoding != "identity":
            self._inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._until_end = length is None and "transfer-encoding" not in headers
        self.reusable = parser.should_keep_alive()
        self.status = status

    def on_body(self, data: bytes) -> None:
        """Decompressed here: a few bytes of gzip can stand for gigabytes."""
        self._framing -= len(data)
        if self._inflater is not None:
            try:
                data = self._inflater.decompress(data, self._limit - len(self._body) + 1)
            except zlib.error:
                raise _malformed() from None
            if self._inflater.unused_data:
                raise _malformed()
        self._body += data
        if len(self._body) > self._limit:
            raise self._too_big()

    def on_message_complete(self) -> None:
        if self.begun:
            self._finish()


def answer_lost(message: str, code: str) -> TransportError:
    return transport_error(message, "maybe", code)


def transport_error(message: str, sent: Literal["no", "maybe"], code: str) -> TransportError:
    return TransportError(
        message,
        sent=sent,
        code=code,
        hint="check the network, then retry as .retry says",
        hint_fr="Le service ne répond pas : rien n'a été envoyé, recommencer plus tard."
        if sent == "no"
        else "Réponse perdue : vérifier ce que le service a reçu avant de recommencer.",
    )


def _malformed() -> TransportError:
    return answer_lost("the answer is malformed", "ANSWER_MALFORMED")


def _cut() -> TransportError:
    return answer_lost("the answer was cut", "ANSWER_TRUNCATED")
