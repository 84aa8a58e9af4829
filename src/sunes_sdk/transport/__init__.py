"""L3: the Transport seam, HTTPS with mutual TLS, MTOM, SOAP framing, frame recorder."""

from .https import HttpsTransport, client_context
from .recorder import RecordingTransport
from .seam import HttpResponse, Transport

__all__ = ["HttpResponse", "HttpsTransport", "RecordingTransport", "Transport", "client_context"]
