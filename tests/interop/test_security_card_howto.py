"""docs/howto/use-a-card-or-hsm.md runs as written, with SoftHSM2 in place of the card."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "use-a-card-or-hsm.md"


def test_the_how_to_runs_as_written(tmp_path: Path) -> None:
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (extra pkcs11)")
    text = HOW_TO.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    library = re.search(r'^LIBRARY = Path\("([^"]+)"\)', blocks[0], re.MULTILINE)
    assert library is not None
    if shutil.which("softhsm2-util") is None or not Path(library.group(1)).exists():
        pytest.skip("SoftHSM2 is not installed (Debian package softhsm2)")
    program = tmp_path / "card.py"
    program.write_text("".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Pkcs11Signer('cps') CN=801234567897")
    assert lines[1:] == [
        "True", "[]", "True",
        "CERTIFICATE_REVOKED - Le certificat a été révoqué : en commander un autre auprès de l'IGC-Santé.",
        "CERTIFICATE_EXPIRES_SOON",
    ]  # fmt: skip


def test_its_settings_are_settings() -> None:
    import tomllib

    from sunes_sdk.settings import SigningSettings

    block = re.search(r"^```toml\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None
    assert SigningSettings(**tomllib.loads(block.group(1))["dmp"]["signing"]).token_label == "cps"
