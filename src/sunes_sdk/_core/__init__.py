"""L0: what every layer stands on. Pure, but for `clock` (reads the time) and `ids` (draws randomness)."""
