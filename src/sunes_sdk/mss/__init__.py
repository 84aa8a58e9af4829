"""L5: MSSanté: the XDM archive, the message, SMTP submission, and the channel the outbox drives."""

from .client import MssClient
from .message import Mail, pdf_name, readable_subject, subject
from .smtp import Envelope, SmtpReply, SmtpSubmission
from .xdm import Archive, ArchivedDocument, Emitter, Limits, Subset, read_archive, write_archive

__all__ = [
    "Archive",
    "ArchivedDocument",
    "Emitter",
    "Envelope",
    "Limits",
    "Mail",
    "MssClient",
    "SmtpReply",
    "SmtpSubmission",
    "Subset",
    "pdf_name",
    "read_archive",
    "readable_subject",
    "subject",
    "write_archive",
]
