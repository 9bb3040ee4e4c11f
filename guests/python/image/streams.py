"""sys.stdin, sys.stdout and sys.stderr, as CPython makes them.

componentize-py's are unbuffered. These are made once, when the image is built;
a call only learns whether it writes to a terminal.
"""

import io
import os
import sys

# PEP 538: in the C and C.UTF-8 locales bytes that are no UTF-8 pass through.
ERRORS = "surrogateescape"


def _raw(fd, name, mode):
    raw = io.FileIO(fd, mode, closefd=False)
    raw.name = name
    return raw


def _text(buffer, mode, errors, **buffering):
    newline = "\n" if mode == "w" else None
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, newline=newline, **buffering)
    stream.mode = mode
    return stream


def install():
    sys.stdin = sys.__stdin__ = _text(io.BufferedReader(_raw(0, "<stdin>", "r")), "r", ERRORS)
    sys.stdout = sys.__stdout__ = _text(io.BufferedWriter(_raw(1, "<stdout>", "w")), "w", ERRORS)
    sys.stderr = sys.__stderr__ = _text(
        io.BufferedWriter(_raw(2, "<stderr>", "w")), "w", "backslashreplace", line_buffering=True
    )


def _drop_buffers():
    sys.stdout = sys.__stdout__ = _text(_raw(1, "<stdout>", "w"), "w", ERRORS, write_through=True)
    sys.stderr = sys.__stderr__ = _text(_raw(2, "<stderr>", "w"), "w", "backslashreplace", write_through=True)


def configure(unbuffered, encoding):
    """What the options and the environment of this call ask for."""
    if unbuffered:
        _drop_buffers()
    elif os.isatty(1):
        sys.stdout.reconfigure(line_buffering=True)
    if encoding:  # PYTHONIOENCODING=encoding:errors, either may be missing
        name, _, errors = encoding.partition(":")
        changed = {key: value for key, value in (("encoding", name), ("errors", errors)) if value}
        sys.stdin.reconfigure(**changed)
        sys.stdout.reconfigure(**changed)
        if name:
            sys.stderr.reconfigure(encoding=name)
