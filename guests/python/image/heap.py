"""Closes the holes of the heap before it becomes the image.

What a call allocates would otherwise go where building the image left room, a
little on each of a hundred pages, and each page written to is copied first.
With no holes left it goes to the end of the heap, side by side.
"""

SIZES = (1 << 18, 1 << 16, 1 << 14, 1 << 12, 1 << 11, 1 << 10, *range(768, 0, -16))  # bytes, the largest first
AT_THE_END = 8  # so many blocks in a row beyond all others: no hole of that size is left

_fillers = []


def close_holes():
    """Fills what is free with blocks that nobody frees."""
    end = 0
    for size in SIZES:
        beyond = 0
        while beyond < AT_THE_END:
            block = bytes(size)
            _fillers.append(block)
            beyond = beyond + 1 if id(block) > end else 0
            end = max(end, id(block))
