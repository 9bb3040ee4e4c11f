"""sys.stdin, sys.stdout and sys.stderr, as CPython makes them.

componentize-py's are unbuffered. These are made once, when the image is built;
a call only learns whether it writes to a terminal.
"""

import io
import os
import sys

# PEP 538: in the C and C.UTF-8 locales bytes that are no UTF-8 pass through.
ERRORS = "surrogateescape"


class _WholeFile(io.FileIO):
    """A file without a buffer that takes all of a write.

    A stream of the sandbox takes 64 KiB at a time at most. TextIOWrapper, and
    most programs, do not look at how much was taken: elsewhere the kernel
    takes all.
    """

    def write(self, data):
        view = memoryview(data).cast("B")
        size = len(view)
        while view:
            taken = super().write(view)
            if taken is None:  # it does not block, and is full
                return size - len(view) or None
            view = view[taken:]
        return size


def _raw(fd, name, mode, kind=io.FileIO):
    raw = kind(fd, mode, closefd=False)
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


def _unbuffered(fd, name, errors):
    return _text(_raw(fd, name, "w", _WholeFile), "w", errors, write_through=True)


def _drop_buffers():
    sys.stdout = sys.__stdout__ = _unbuffered(1, "<stdout>", ERRORS)
    sys.stderr = sys.__stderr__ = _unbuffered(2, "<stderr>", "backslashreplace")


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
