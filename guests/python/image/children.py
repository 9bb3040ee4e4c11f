"""subprocess over the sandbox's own `spawn`.

There is no fork here, and a child's pipes are streams, not file descriptors.
Popen is replaced; run, check_output and the rest are CPython's.
"""

import errno
import io
import os
import subprocess
import sys
import time
from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired

from componentize_py_types import Err
from pipes import MergedEnd, ReadEnd, WriteEnd, forget, is_held, release, wait_for
from wit_world.imports import process

ENDED_BY_KILL = 143
SIGTERM = 15
# Where programs lie elsewhere; here their last name says which is meant.
PROGRAM_FOLDERS = ("/bin", "/usr/bin", "/usr/local/bin")

_unwatched = []  # children whose Popen is gone


class Popen(subprocess.Popen):
    """subprocess.Popen, its child another component of the sandbox."""

    def __init__(
        self, args, bufsize=-1, executable=None, stdin=None, stdout=None, stderr=None, preexec_fn=None, close_fds=True,
        shell=False, cwd=None, env=None, universal_newlines=None, startupinfo=None, creationflags=0, restore_signals=True,
        start_new_session=False, pass_fds=(), *, user=None, group=None, extra_groups=None, encoding=None, errors=None,
        text=None, umask=-1, pipesize=-1, process_group=None,
    ):
        self.args = args
        self.stdin = self.stdout = self.stderr = self.returncode = self._child = None
        self._pumps = []  # (read end, where its bytes go)
        self._input = b""
        self._signal = SIGTERM
        if stdout is STDOUT:
            raise ValueError("STDOUT can only be used for stderr")
        for name, value in (("preexec_fn", preexec_fn), ("user", user), ("group", group), ("extra_groups", extra_groups)):
            if value is not None:
                raise NotImplementedError(f"subprocess: {name} needs a fork, which a sandboxed component has not")
        if text is not None and universal_newlines is not None and bool(universal_newlines) != bool(text):
            raise subprocess.SubprocessError(
                "Cannot disambiguate when both text and universal_newlines are supplied but different. Pass one or the other."
            )
        self.text_mode = bool(encoding or errors or text or universal_newlines)
        self.encoding = (encoding or "utf-8") if self.text_mode else encoding
        self.errors = errors
        self._communication_started = False
        argv = _argv(args, shell, executable)
        folder = os.path.join(os.getcwd(), os.fsdecode(cwd)) if cwd is not None else os.getcwd()
        if not os.path.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), cwd)
        variables = [(os.fsdecode(key), os.fsdecode(value)) for key, value in (os.environ if env is None else env).items()]
        merged = stderr is STDOUT or (stderr is not None and stderr is stdout and stdout not in (PIPE, DEVNULL))
        command = process.Command(
            argv, variables, folder, None, _input(stdin), _output(stdout, sys.stdout, merged), _output(stderr, sys.stderr, merged)
        )
        self._child = _spawn(command)
        self.pid = id(self._child) & 0x7FFF | 2
        self._connect(stdin, stdout, stderr, merged, bufsize)

    def _connect(self, stdin, stdout, stderr, merged, bufsize):
        if (stream := self._child.take_stdin()) is not None:
            self.stdin = self._wrap(WriteEnd(stream), bufsize, writing=True)
            if stdin is not PIPE:  # a file: all of it is the input
                self._feed = self.stdin
                self.stdin = None
                self._input = _file(stdin, "rb").read()
        ends = {}
        for name, wanted, stream in (("stdout", stdout, self._child.take_stdout()), ("stderr", stderr, self._child.take_stderr())):
            if stream is None:
                continue
            end = ReadEnd(stream)
            if merged and (name == "stderr" or wanted is PIPE):
                ends[name] = end
            elif wanted is PIPE:
                setattr(self, name, self._wrap(end, bufsize))
            else:
                self._pumps.append((end, _sink(wanted, sys.stdout if name == "stdout" else sys.stderr)))
        if merged and "stderr" in ends:
            self._merge(ends, stdout, bufsize)
        self._pump()

    def _merge(self, ends, stdout, bufsize):
        if stdout is PIPE:
            both = MergedEnd(ends["stdout"], ends["stderr"])
            self.stdout = self._wrap(both, bufsize)
        else:
            self._pumps.append((ends["stderr"], _sink(stdout, sys.stdout)))

    def _wrap(self, raw, bufsize, writing=False):
        if bufsize == 0 and not self.text_mode:
            return raw
        size = bufsize if bufsize > 1 else io.DEFAULT_BUFFER_SIZE
        stream = io.BufferedWriter(raw, size) if writing else io.BufferedReader(raw, size)
        if not self.text_mode:
            return stream
        return io.TextIOWrapper(stream, encoding=self.encoding, errors=self.errors, write_through=writing, line_buffering=writing and bufsize == 1)

    def _pump(self, deadline=None, block=False, ends=(), done=lambda: False):
        """Moves bytes between the child and files; `block` waits for some to move or for the child to end."""
        watched = []
        moved = False
        for end, sink in (*self._pumps, *ends):
            while data := end.take(blocking=False):
                sink(data)
                moved = True
            if not end.at_end:
                watched.extend(end.streams() if isinstance(end, MergedEnd) else [end.stream])
        if feed := getattr(self, "_feed", None):
            moved = self._feed_some(feed) or moved
            if getattr(self, "_feed", None):
                watched.append(_raw(feed).stream)
        if block and not moved and not done():
            if self.poll_status() is None:
                watched.append(self._child)
            if watched:
                wait_for(watched, deadline)
        return bool(watched)

    def _feed_some(self, feed):
        raw = _raw(feed)
        moved = False
        try:
            while self._input and (room := raw.room()):
                raw.put(self._input[:room])
                self._input = self._input[room:]
                moved = True
        except BrokenPipeError:
            self._input = b""
        if not self._input:
            self._feed = None
            try:
                feed.close()
            except BrokenPipeError:
                pass
            return True
        return moved

    def poll_status(self):
        """How the child ended, as a return code; none while it runs."""
        if self.returncode is None and self._child is not None:
            if not is_held(self._child):  # that ended it
                self.returncode = -SIGTERM
                return self.returncode
            status = self._child.status()
            if isinstance(status, process.ExitStatus_Exited):
                self.returncode = status.value
            elif status is not None:
                code = status.value[0]
                self.returncode = -self._signal if code == ENDED_BY_KILL else code
        return self.returncode

    def _internal_poll(self, _deadstate=None):
        self._pump()
        return self.poll_status()

    def _wait(self, timeout):
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll_status() is None:
            self._expire(deadline, timeout)
            self._pump(deadline, block=True)
        while any(not end.at_end for end, _ in self._pumps):
            self._pump(deadline, block=True)
        return self.returncode

    def wait(self, timeout=None):
        return self._wait(timeout)

    def _expire(self, deadline, timeout):
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutExpired(self.args, timeout)

    def communicate(self, input=None, timeout=None):
        if self._communication_started and input:
            raise ValueError("Cannot send input after starting communication")
        if not self._communication_started:
            self._communication_started = True
            self._collected = {}
            if self.stdin is not None:
                self._start_input(input)
        deadline = None if timeout is None else time.monotonic() + timeout
        ends = []
        for name in ("stdout", "stderr"):
            stream = getattr(self, name)
            if stream is not None:
                ends.append((_raw(stream), self._collected.setdefault(name, []).append))
        while any(not end.at_end for end, _ in ends) or getattr(self, "_feed", None):
            self._pump(deadline, block=True, ends=ends, done=lambda: all(end.at_end for end, _ in ends) and not getattr(self, "_feed", None))
            if deadline is not None and time.monotonic() >= deadline and self.poll_status() is None:
                raise TimeoutExpired(self.args, timeout, output=self._gathered("stdout", raw=True), stderr=self._gathered("stderr", raw=True))
        self._wait(None if deadline is None else max(0, deadline - time.monotonic()))
        result = self._gathered("stdout"), self._gathered("stderr")
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        return result

    def _start_input(self, input):
        if self.text_mode and input is not None:
            input = input.encode(self.encoding, self.errors or "strict")
        try:
            self.stdin.flush()
        except BrokenPipeError:
            input = b""
        self._input = bytes(input or b"")
        self._feed = self.stdin

    def _gathered(self, name, raw=False):
        if name not in self._collected:
            return None
        data = b"".join(self._collected[name])
        if raw:
            return data or None
        if self.text_mode:
            return self._translate_newlines(data, self.encoding, self.errors or "strict")
        return data

    def send_signal(self, sig):
        if self.poll_status() is None and sig:
            self._signal = int(sig)
            self._child.kill()

    def terminate(self):
        self.send_signal(SIGTERM)

    def kill(self):
        self.send_signal(9)

    def __del__(self, _warn=None):
        # Dropping the handle would end the child; who reads its output may
        # not have kept the Popen, as with os.popen.
        if getattr(self, "_child", None) is not None and self.poll_status() is None:
            _unwatched.append(self._child)

    def __exit__(self, exc_type, value, traceback):
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        try:
            if self.stdin is not None:
                self.stdin.close()
        finally:
            self.wait()


def _raw(stream):
    stream = getattr(stream, "buffer", stream)
    return getattr(stream, "raw", stream)


def _argv(args, shell, executable):
    if isinstance(args, (str, bytes, os.PathLike)):
        argv = [os.fsdecode(args)]
    else:
        argv = [os.fsdecode(word) for word in args]
    if shell:
        argv = [os.fsdecode(executable) if executable else "sh", "-c", *argv]
    elif executable is not None:
        argv[0] = os.fsdecode(executable)
    if not argv:
        raise IndexError("list index out of range")
    if os.path.dirname(argv[0]) in PROGRAM_FOLDERS:
        argv[0] = os.path.basename(argv[0])
    return argv


def _input(wanted):
    if wanted is None:
        return process.Input.INHERITED
    return process.Input.EMPTY if wanted == DEVNULL else process.Input.PIPED


def _output(wanted, own, merged):
    if merged or wanted == PIPE:
        return process.Output.PIPED
    if wanted is None or (not isinstance(wanted, int) and _fd(wanted) in (1, 2) and _fd(own) == _fd(wanted)):
        return process.Output.INHERITED
    return process.Output.DISCARDED if wanted == DEVNULL else process.Output.PIPED


def _fd(file):
    try:
        return file if isinstance(file, int) else file.fileno()
    except (OSError, AttributeError, ValueError):
        return None


def _file(file, mode):
    return os.fdopen(file, mode, closefd=False) if isinstance(file, int) else getattr(file, "buffer", file)


def _sink(wanted, own):
    """Where bytes go that the child writes to something of ours."""
    if wanted == DEVNULL:
        return lambda data: None
    fd = _fd(own if wanted is None else wanted)

    def write(data):
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    return write


def _spawn(command):
    name = command.argv[0]
    try:
        return process.spawn(command)
    except Err as error:
        reason = error.value
        forget(error)
    if isinstance(reason, process.SpawnError_NotFound):
        if "/" not in name and _shell_knows(name, command):
            command.argv = ["sh", "-c", '"$@"', "sh", *command.argv]
            return _spawn(command)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    if isinstance(reason, process.SpawnError_NotExecutable):
        if interpreter := _interpreter(os.path.join(command.cwd, name)):
            command.argv = [*interpreter, *command.argv]
            return _spawn(command)
        raise PermissionError(errno.EACCES, reason.value, name)
    if isinstance(reason, process.SpawnError_Limit):
        raise BlockingIOError(errno.EAGAIN, reason.value, name)
    raise OSError(errno.EINVAL, reason.value, name)


def _shell_knows(name, command):
    """The shell has commands of its own, such as grep."""
    if name in ("sh", "bash"):
        return False
    out = process.Output.DISCARDED
    probe = process.Command(["sh", "-c", 'command -v "$1"', "sh", name], command.env, command.cwd, None, process.Input.EMPTY, out, out)
    try:
        child = process.spawn(probe)
    except Err as error:
        forget(error)
        return False
    while (status := child.status()) is None:
        wait_for([child])
    release(child)
    return isinstance(status, process.ExitStatus_Exited) and status.value == 0


def _interpreter(path):
    """The words of a script's #! line."""
    try:
        with open(path, "rb") as file:
            line = file.readline(256)
    except OSError:
        return None
    if not line.startswith(b"#!"):
        return None
    words = line[2:].decode("utf-8", "surrogateescape").split()
    if words and os.path.basename(words[0]) == "env":
        words = words[1:]
    if words and os.path.dirname(words[0]) in PROGRAM_FOLDERS:
        words[0] = os.path.basename(words[0])
    return words or None


def system(command):
    """os.system: the status is a wait status."""
    with Popen(command, shell=True) as child:
        code = child.wait()
    return code << 8 if code >= 0 else -code


def install():
    Popen.__module__ = "subprocess"
    subprocess.Popen = Popen
    subprocess._can_fork_exec = True
    os.system = system
