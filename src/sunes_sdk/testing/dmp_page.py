"""A read-only web page over what the fake DMP holds: plain HTML, no script, for a browser on the same machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from .dmp_store import DmpStore, StoredDocument, StoredPatient

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE: Final = (
    "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse;margin:0 0 2em}"
    "td,th{border:1px solid #999;padding:.3em .6em;text-align:left;vertical-align:top}.old{color:#777}"
)
_HEADINGS: Final = (
    "Document",
    "Version",
    "Statut",
    "Visibilité",
    "Titre",
    "Type",
    "Auteurs",
    "Reçu (UTC)",
    "entryUUID",
)
_KINDS: Final = {
    "MASQUE_PS": "masqué aux professionnels",
    "INVISIBLE_PATIENT": "non visible par le patient",
    "INVISIBLE_REPRESENTANTS_LEGAUX": "non visible par les représentants légaux",
}


def render(store: DmpStore) -> bytes:
    """The page. Every text that a client sent is escaped."""
    sections = "".join(_patient(store, p) for p in store.patients.values())
    return (
        f'<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>FakeDmp</title><style>{_STYLE}</style>'
        f"</head><body><h1>FakeDmp</h1><p>{len(store.patients)} patients, "
        f"{sum(1 for _ in store.current_documents())} documents. Lecture seule.</p>{sections}</body></html>"
    ).encode()


def _patient(store: DmpStore, patient: StoredPatient) -> str:
    facts = [
        "DMP ouvert" if patient.is_open else "DMP fermé",
        *(() if patient.break_glass else ("opposition au bris de glace",)),
        *(() if patient.emergency else ("opposition à l'accès d'urgence",)),
    ]
    access = "".join(
        _row((a.holder, a.mode, "médecin traitant" if a.attending else "", a.since)) for a in patient.authorizations
    )
    table = f"<table>{_row(('Titulaire', 'Accès', 'Rôle', 'Depuis'), 'th')}{access}</table>" if access else ""
    documents = [d for d in store.of_patient(patient.ins) if not d.is_signature]
    lines = "".join(_document(d) for d in documents)
    return (
        f"<h2>{escape(patient.family)} {escape(patient.given)} ({escape(patient.ins)})</h2>"
        f"<p>{escape(', '.join(facts))}</p>{table}<table>{_row(_HEADINGS, 'th')}{lines}</table>"
    )


def _document(document: StoredDocument) -> str:
    visibility = ", ".join(_KINDS[c] for c in document.confidentiality if c in _KINDS) or "visible"
    return _row(
        (
            document.unique_id,
            str(document.version),
            document.status,
            visibility,
            document.title,
            document.type_code,
            ", ".join(document.author_ids),
            document.registered_at,
            document.entry_uuid,
        ),
        old=document.status in ("Deprecated", "Deleted"),
    )


def _row(cells: Iterable[str], tag: str = "td", *, old: bool = False) -> str:
    text = "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)
    return f'<tr class="old">{text}</tr>' if old else f"<tr>{text}</tr>"


class DmpPage:
    """Serves `page()` on a loopback port over plain HTTP, GET and HEAD of `/` only. A request that names another host
    is refused, so that no web site can read it through a name of its own."""

    def __init__(self, page: Callable[[], bytes]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(page))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _handler(page: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            host = self.headers.get("Host", "").rpartition(":")[0]
            if host not in ("127.0.0.1", "localhost"):
                self.send_error(421)
            elif self.path != "/":
                self.send_error(404)
            else:
                body = page()
                self.send_response(200)
                for name, value in (
                    ("Content-Type", "text/html; charset=utf-8"),
                    ("Content-Security-Policy", _POLICY),
                    ("X-Content-Type-Options", "nosniff"),
                    ("Referrer-Policy", "no-referrer"),
                    ("Cache-Control", "no-store"),
                    ("Content-Length", str(len(body))),
                ):
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            return

    return Handler
