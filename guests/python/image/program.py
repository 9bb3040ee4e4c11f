"""Runs a program in a fresh __main__, as CPython does, and ends it.

No frame of this module is seen by a program: see unseen.py.
"""

import atexit
import errno
import gc
import io
import linecache
import marshal
import os
import runpy
import sys
import zipimport
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from itertools import islice
from types import ModuleType

UNFLUSHED_STATUS = 120  # as CPython: standard output could not be written
BUFFERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
INTERRUPTED_STATUS = 130  # as a shell reports SIGINT
ZIP_END = b"PK\x05\x06"
ZIP_END_BYTES = 22 + 65535  # that record and the longest comment


class CannotStart(Exception):
    """There is no such program: (exit status, what to say)."""


def fresh_main(**names):
    sys.modules.pop("__main__", None)  # the new one's place is behind the others
    main = ModuleType("__main__")
    main.__dict__.update(names)
    main.__builtins__ = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return main.__dict__


def run_command(source, optimize):
    names = fresh_main(__loader__=BuiltinImporter)
    code = compile(source, "<string>", "exec", dont_inherit=True, optimize=optimize)
    linecache._register_code(code, source, "<string>")
    exec(code, names)


def run_stdin(skip_line, optimize):
    names = fresh_main(__loader__=BuiltinImporter)
    source = _without_first_line(sys.stdin.buffer.read(), skip_line)
    exec(compile(source, "<stdin>", "exec", dont_inherit=True, optimize=optimize), names)


def run_file(path, program, skip_line, optimize, safe_path):
    """A script, compiled code, or a folder or archive with a __main__."""
    full = os.path.join(os.getcwd(), path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except IsADirectoryError:
        return _run_container(full)
    except OSError as error:
        if os.path.isdir(path):
            return _run_container(full)
        raise CannotStart(2, f"{program}: can't open file {full!r}: [Errno {error.errno}] {error.strerror}\n") from None
    if ZIP_END in data[-ZIP_END_BYTES:] and _is_archive(full):
        return _run_container(full)
    if not safe_path:
        sys.path.insert(0, os.path.normpath(os.path.dirname(_link_target(full))))
    if data.startswith(MAGIC_NUMBER):
        loader, code = SourcelessFileLoader("__main__", full), None
    else:
        loader, code = SourceFileLoader("__main__", full), _without_first_line(data, skip_line)
    names = fresh_main(__loader__=loader, __file__=full, __cached__=None)
    if code is None:
        exec(marshal.loads(memoryview(data)[16:]), names)
    else:
        exec(compile(code, full, "exec", dont_inherit=True, optimize=optimize), names)


def _without_first_line(source, skip):
    if not skip:
        return source
    line, newline, rest = source.partition(b"\n")
    return newline + rest


def _link_target(path):
    """A script's folder is the one its link points to, one level deep."""
    try:
        return os.path.join(os.path.dirname(path), os.readlink(path))
    except OSError:
        return path


def _is_archive(path):
    try:
        zipimport.zipimporter(path)
    except ImportError:
        return False
    return True


def _run_container(path):
    sys.path.insert(0, os.path.normpath(path))
    fresh_main(__loader__=BuiltinImporter)
    runpy._run_module_as_main("__main__", False)


def run_module(name, safe_path):
    if not safe_path:
        sys.path.insert(0, os.getcwd())
    fresh_main(__loader__=BuiltinImporter)
    runpy._run_module_as_main(name)


def supervise(run, *arguments):
    """Calls `run`; returns the exit status, having reported what went wrong."""
    try:
        run(*arguments)
    except CannotStart as error:
        status, text = error.args
        sys.stderr.write(text)
        return status
    except BaseException as error:
        failure = error
    else:
        return 0
    finally:
        sys.settrace(None)  # what follows is not the program's
        sys.setprofile(None)
    # Outside of the handler: what the hook raises has no context.
    return _report(failure)


def _report(error):
    traceback = error.__traceback__
    if isinstance(error, SystemExit):
        return _status_of(error.code)
    if isinstance(error, BrokenPipeError) and _output_is_gone():
        return 1  # the reader has what it wanted: nothing to tell
    sys.last_exc = sys.last_value = error
    sys.last_type, sys.last_traceback = type(error), traceback
    try:
        sys.excepthook(type(error), error, traceback)
    except SystemExit as exit:
        return _status_of(exit.code)
    except BaseException as failure:
        hook_error = failure
    else:
        hook_error = None
    if hook_error:
        failure = hook_error
        sys.stderr.write("Error in sys.excepthook:\n")
        sys.__excepthook__(type(failure), failure, failure.__traceback__)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, traceback)
    return INTERRUPTED_STATUS if isinstance(error, KeyboardInterrupt) else 1


def _status_of(code):
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        pass  # said again, and counted, when the program ends
    try:
        print(code, file=sys.stderr)
    except Exception:
        pass  # stderr is closed; the status still tells
    return 1


def _output_is_gone():
    try:
        sys.__stdout__.flush()
        os.write(1, b"")
    except OSError as error:
        return error.errno == errno.EPIPE
    except ValueError:
        return False
    return False


def _flush():
    """Writes out what is buffered; False when standard output is lost."""
    written = True
    for stream in (sys.stdout, sys.__stdout__, sys.stderr):
        if stream is None or getattr(stream, "closed", False):
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            written = written and stream is sys.stderr
        except Exception as error:
            if stream is not sys.stderr:
                written = False
                sys.unraisablehook(_Unraisable(error, stream))
    return written


def _flush_files():
    """Writes out the files the program left open.

    The collector would close what lies below a file's buffer first, if the
    file is part of a cycle, and what is in the buffer would be lost.
    """
    for thing in gc.get_objects():
        if isinstance(thing, BUFFERS):
            try:
                thing.flush()
            except (OSError, ValueError):
                pass  # it is closed, or was opened for reading


class _Unraisable:
    """What sys.unraisablehook is told of a stream that cannot be flushed."""

    def __init__(self, error, stream):
        self.exc_type, self.exc_value, self.exc_traceback = type(error), error, None
        self.err_msg = "Exception ignored while flushing sys.stdout"
        self.object = None


def _collections():
    """How often the collector ran: as long as it did not, all is young."""
    return sum(generation["collections"] for generation in gc.get_stats())


_collections_before = 0
_modules_before = 0


def freeze(modules, passing):
    """Everything that is there now is of no interest to the collector.

    `passing` of the modules will be gone before a program starts.
    """
    global _collections_before, _modules_before
    gc.collect()
    gc.freeze()
    _collections_before = _collections()
    _modules_before = len(modules) - passing - ("__main__" in modules)


def finish(status):
    """Ends the program in CPython's order; returns the exit status.

    The modules it brought go, and with them what they hold: files are written
    out, finalizers run.
    """
    if threading := sys.modules.get("threading"):
        threading._shutdown()
    atexit._run_exitfuncs()
    written = _flush()
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        sys.__dict__.pop(name, None)
    sys.modules.pop("__main__", None)
    # Names that came later come last; the others need not even be looked at.
    for name in list(islice(reversed(sys.modules), max(0, len(sys.modules) - _modules_before))):
        del sys.modules[name]
    _flush_files()
    gc.collect(0 if _collections() == _collections_before else 2)
    written = _flush() and written
    return status if written else UNFLUSHED_STATUS if status == 0 else status
