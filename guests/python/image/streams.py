"""sys.stdin, sys.stdout and sys.stderr, as CPython makes them.

componentize-py's are unbuffered. These are made once, when the image is built;
a call only learns whether it writes to a terminal.
"""

import io
import os
import sys

# PEP 538: in the C and C.UTF-8 locales bytes that are no UTF-8 pass through.
ERRORS = "surrogateescape"


def _text(fd, name, mode, errors, line_buffering=False):
    raw = io.FileIO(fd, mode[0], closefd=False)
    raw.name = name
    buffer = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, newline="\n" if mode == "w" else None, line_buffering=line_buffering)
    stream.mode = mode
    return stream


def install():
    sys.stdin = sys.__stdin__ = _text(0, "<stdin>", "r", ERRORS)
    sys.stdout = sys.__stdout__ = _text(1, "<stdout>", "w", ERRORS)
    sys.stderr = sys.__stderr__ = _text(2, "<stderr>", "w", "backslashreplace", line_buffering=True)


def configure(unbuffered, encoding):
    """What the options and the environment of this call ask for."""
    if unbuffered:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(write_through=True)
    elif os.isatty(1):
        sys.stdout.reconfigure(line_buffering=True)
    if encoding:  # PYTHONIOENCODING=encoding:errors, either may be missing
        name, _, errors = encoding.partition(":")
        changed = {key: value for key, value in (("encoding", name), ("errors", errors)) if value}
        sys.stdin.reconfigure(**changed)
        sys.stdout.reconfigure(**changed)
        if name:
            sys.stderr.reconfigure(encoding=name)
