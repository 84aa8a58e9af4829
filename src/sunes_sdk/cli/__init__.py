"""L9: `sunes …`."""

from __future__ import annotations


def main() -> None:
    """Entry point of the `sunes` command."""
    try:
        from .app import app
    except ImportError as e:
        raise SystemExit(f"the command line needs {e.name}: pip install 'sunes-sdk[cli]'") from None
    app()
