"""The size of Arrow batches: few enough rows that wide ones stay within memory."""

__all__ = ["batch_rows"]

_BATCH_BYTES = 32 * 1024 * 1024


def batch_rows(rows: int | None, size: int) -> int:
    """How many rows make a batch of some tens of megabytes, when `rows` rows take `size` bytes at most."""
    return max(256, min(65_536, _BATCH_BYTES * (rows or 0) // max(size, 1)))
