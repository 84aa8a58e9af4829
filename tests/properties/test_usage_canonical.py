"""The ledger's fast writer of payloads and plain JSON agree on any row."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sunes_sdk.usage.chain import canonical
from sunes_sdk.usage.ledger import Row, _canonical

text = st.text(st.characters(codec="utf-8"), max_size=12)
rows = st.tuples(*(st.none() | st.binary(max_size=16) | st.integers() | text for _ in Row._fields))


@given(rows, st.integers(1), st.integers(), text)
def test_fast_and_plain_payloads_agree(
    row: tuple[bytes | int | str | None, ...], seq: int, at: int, tenant: str
) -> None:
    written = _canonical(seq, row, at, tenant)
    values = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in zip(Row._fields, row, strict=True)
        if value is not None
    }
    assert written == canonical({**values, "seq": seq, "recorded_at": at, "tenant": tenant})
    assert json.loads(written)["seq"] == seq
