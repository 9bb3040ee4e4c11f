"""The ends of a child's pipes, as Python's raw files."""

import errno
import io
import time
import weakref

from componentize_py_types import Err
from wit_world.imports import monotonic_clock
from wit_world.imports import poll as wasi_poll

CHUNK_BYTES = 65536  # what a pipe of the sandbox holds
NANOSECONDS = 1_000_000_000


class Finalizer(weakref.finalize):
    """Drops a resource once nobody holds it.

    Not when the program ends, as weakref.finalize would: what runs later may
    still use it. What is left then the sandbox takes back.
    """

    __slots__ = ()

    def __init__(self, *call):
        super().__init__(*call)
        self.atexit = False


def is_held(resource):
    """Whether it can be used; the sandbox ends a program that uses another.

    The collector drops what lies in a cycle before it calls `__del__`.
    """
    return resource.finalizer.alive


def forget(error):
    """Lets go of the frames an Err passed through, and so of what they hold.

    The frame that raised it holds it: only the collector would find them.
    """
    error.with_traceback(None)


def release(resource):
    if is_held(resource):
        resource.__exit__(None, None, None)


def wait_for(resources, deadline=None):
    """Blocks until one of them is ready; returns which are, by position."""
    pollables = [resource.subscribe() for resource in resources]
    if deadline is not None:
        left = max(0, int((deadline - time.monotonic()) * NANOSECONDS))
        pollables.append(monotonic_clock.subscribe_duration(left))
    try:
        return set(wasi_poll.poll(pollables))
    finally:
        for pollable in pollables:
            release(pollable)


class ReadEnd(io.RawIOBase):
    """The read end of a child's output."""

    def __init__(self, stream):
        self.stream = stream
        self.at_end = False

    def readable(self):
        return True

    def _ended(self):
        self.at_end = self.at_end or not is_held(self.stream)
        return self.at_end

    def take(self, blocking):
        """Bytes; none when there are none yet, or at the end."""
        if self._ended():
            return b""
        try:
            return self.stream.blocking_read(CHUNK_BYTES) if blocking else self.stream.read(CHUNK_BYTES)
        except Err as error:
            forget(error)
            self.at_end = True
            return b""

    def readinto(self, buffer):
        while not self._ended():
            if data := self._some(len(buffer)):
                buffer[: len(data)] = data
                return len(data)
        return 0

    def _some(self, most):
        try:
            return self.stream.blocking_read(most)
        except Err as error:
            forget(error)
            self.at_end = True
            return b""

    def close(self):
        if not self.closed:
            self.at_end = True
            release(self.stream)
        super().close()


class WriteEnd(io.RawIOBase):
    """The write end of a child's input; closing it gives end-of-file."""

    def __init__(self, stream):
        self.stream = stream

    def writable(self):
        return True

    def room(self):
        if not is_held(self.stream):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        try:
            return self.stream.check_write()
        except Err as error:
            forget(error)
            raise BrokenPipeError(errno.EPIPE, "Broken pipe") from None

    def put(self, data):
        try:
            self.stream.write(bytes(data))
            self.stream.flush()
        except Err as error:
            forget(error)
            raise BrokenPipeError(errno.EPIPE, "Broken pipe") from None

    def write(self, data):
        view = memoryview(data).cast("B")
        while not (room := self.room()):
            wait_for([self.stream])
        count = min(room, len(view))
        self.put(view[:count])
        return count

    def close(self):
        if not self.closed:
            release(self.stream)
        super().close()


class MergedEnd(ReadEnd):
    """Standard output and error as one.

    They are two pipes, so the order is known only as far as the bytes of one
    are seen before the other's: what was put out before an error always comes
    before it; the reverse holds unless both came between two looks.
    """

    def __init__(self, output, error):
        self._ends = (output, error)
        self.at_end = False

    def streams(self):
        return [end.stream for end in self._ends if not end._ended()]

    def take(self, blocking):
        if blocking and self.streams():
            wait_for(self.streams())
        output, error = self._ends
        if data := output.take(blocking=False):
            return data
        if data := error.take(blocking=False):
            return output.take(blocking=False) + data
        self.at_end = not self.streams()
        return b""

    def _some(self, most):
        if not getattr(self, "_rest", b""):
            self._rest = self.take(blocking=True)
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    def readinto(self, buffer):
        while getattr(self, "_rest", b"") or not self.at_end:
            if data := self._some(len(buffer)):
                buffer[: len(data)] = data
                return len(data)
        return 0

    def close(self):
        if not self.closed:
            for end in self._ends:
                end.close()
        io.RawIOBase.close(self)
