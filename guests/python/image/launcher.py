"""What happens in each call: the command line, the environment, the program."""

import atexit
import importlib
import os
import pkgutil
import sys
import time
import warnings
from types import ModuleType

import heap
import library
import options
import program
import relocate
import streams
from library import LIBRARY, SITE_PACKAGES
from pipes import Finalizer
from wit_world.imports import environment, exit as cli_exit

VERSION = "Python " + sys.version.partition(" ")[0]
# Where `python3 -m venv .venv` puts packages in the workspace.
WORKSPACE_PACKAGES = "/workspace/.venv/lib/python3.14/site-packages"
LIBRARY_PATH = ("/usr/lib/python314.zip", LIBRARY, LIBRARY + "/lib-dynload", WORKSPACE_PACKAGES, SITE_PACKAGES)


def _restart_clock(logging):
    logging._startTime = time.time_ns()


# Modules that noted something at import which must be of this call.
REFRESH = {"logging": _restart_clock, "random": lambda random: random.seed()}

BUILD_ONLY = ("guest", "wit_world", "componentize_py_types", "componentize_py_async_support", "poll_loop")
REHEARSALS = 20  # CPython rewrites a function's code after 16 calls at most


def _stand_in(name, **attributes):
    module = ModuleType(name)
    vars(module).update(attributes)
    return module


STAND_INS = (_stand_in("weakref", finalize=Finalizer), _stand_in("random", seed=lambda: None))

_held = []  # modules out of sight that still run
_kept = set()  # names in sys.modules before a program starts


def main():
    for stand_in in STAND_INS:
        sys.modules.pop(stand_in.__name__, None)
    _enter(environment.initial_cwd() or os.environ.get("PWD"))
    status = _call()
    if status:
        cli_exit.exit_with_code(status)


def _exit_now(status):
    """os._exit: the C library's knows success and failure only."""
    cli_exit.exit_with_code(status & 0xFF)


def _enter(folder):
    if not folder:
        return
    try:
        os.chdir(folder)
    except OSError:
        pass  # the program is told when it asks for a file there


def _call():
    words = list(sys.argv)
    sys.orig_argv[:] = words
    name, words = (words[0], words[1:]) if words else ("python3", [])
    try:
        asked = options.parse(words)
    except options.UsageError as error:
        sys.stderr.write(str(error) + options.USAGE_ERROR.format(program=name))
        sys.stderr.flush()
        return 2
    if asked.has("h"):
        return program.finish(_say(options.HELP.format(program=name)))
    if asked.has("V"):
        return program.finish(_say((f"Python {sys.version}" if asked.flags["V"] > 1 else VERSION) + "\n"))
    _configure(asked)
    return program.finish(_run(asked, name))


def _say(text):
    sys.stdout.write(text)
    return 0


def _run(asked, name):
    optimize = sys.flags.optimize
    safe_path = sys.flags.safe_path
    if asked.command is not None:
        sys.argv[:] = ["-c", *asked.arguments]
        if not safe_path:
            sys.path.insert(0, "")
        return program.supervise(program.run_command, asked.command, optimize)
    if asked.module is not None:
        sys.argv[:] = ["-m", *asked.arguments]
        return program.supervise(program.run_module, asked.module, safe_path)
    if asked.script in (None, "-"):
        sys.argv[:] = [asked.script or "", *asked.arguments]
        if not safe_path:
            sys.path.insert(0, "")
        return program.supervise(program.run_stdin, asked.has("x"), optimize)
    sys.argv[:] = [asked.script, *asked.arguments]
    return program.supervise(program.run_file, asked.script, name, asked.has("x"), optimize, safe_path)


def _configure(asked):
    """Options and PYTHON* variables: each is looked at, most are rarely there."""
    variables = {} if asked.has("E") or asked.has("I") else os.environ
    flags = {}
    if level := asked.flags.get("O") or _level(variables, "PYTHONOPTIMIZE"):
        flags["optimize"] = level
    if asked.has("B") or variables.get("PYTHONDONTWRITEBYTECODE"):
        sys.dont_write_bytecode = True
        flags["dont_write_bytecode"] = 1
    if asked.has("P") or asked.has("I") or variables.get("PYTHONSAFEPATH"):
        flags["safe_path"] = True
    for letter, flag in (("d", "debug"), ("i", "inspect"), ("s", "no_user_site"), ("S", "no_site"), ("E", "ignore_environment"), ("v", "verbose"), ("b", "bytes_warning"), ("q", "quiet"), ("I", "isolated")):
        if asked.has(letter):
            flags[flag] = asked.flags[letter]
    if asked.has("I"):
        flags.update(no_user_site=1, ignore_environment=1)
    if flags:
        sys.flags = sys.flags.__replace__(**flags)
    if sys.flags.optimize:
        _optimize_imports(sys.flags.optimize)
    if path := variables.get("PYTHONPATH"):
        sys.path[:0] = [os.path.join(os.getcwd(), part) if part else os.getcwd() for part in path.split(":")]
    _filter_warnings([*filter(None, variables.get("PYTHONWARNINGS", "").split(",")), *asked.warnings])
    _set_x(asked.x, variables)
    streams.configure(asked.has("u") or variables.get("PYTHONUNBUFFERED"), variables.get("PYTHONIOENCODING"))


def _level(variables, name):
    value = variables.get(name)
    return (int(value) if value.isdigit() else 1) if value else 0


def _optimize_imports(level):
    """-O is for what the program imports, too; the library keeps its asserts."""
    from importlib._bootstrap_external import SourceLoader

    def source_to_code(self, data, path, *, _optimize=level):
        return compile(data, path, "exec", dont_inherit=True, optimize=level)

    SourceLoader.source_to_code = source_to_code


def _filter_warnings(added):
    if added:
        sys.warnoptions.extend(added)
        warnings._processoptions(added)


def _set_x(given, variables):
    for option in given:
        name, equals, value = option.partition("=")
        sys._xoptions[name] = value if equals else True
    digits = sys._xoptions.get("int_max_str_digits") or variables.get("PYTHONINTMAXSTRDIGITS")
    if isinstance(digits, str) and digits.isdigit():
        sys.set_int_max_str_digits(int(digits))


def prepare(private, here):
    """The last steps of the build: streams, sys.path, a clean sys.modules."""
    streams.install()
    os._exit = sys.modules["posix"]._exit = _exit_now
    modules = [sys.modules[name] for name in private]
    relocate.name_frames(modules)
    for name in private:
        _held.append(sys.modules.pop(name))
    sys.path[:] = [*LIBRARY_PATH, *(path for path in sys.path if path not in (here, LIBRARY))]


def import_bindings():
    """All of them, as componentize-py will do when this is over.

    What is there before the freeze costs the collector nothing later.
    """
    import wit_world

    for _, name, _ in pkgutil.walk_packages(wit_world.__path__, "wit_world."):
        importlib.import_module(name)


def rehearse():
    """Runs the way of a call: what is warm now is warm in each instance.

    CPython rewrites code it has run a few times; done now, the pages it lies
    on are not written to later, and so stay shared.
    """
    _kept.update(name for name in sys.modules if name.partition(".")[0] not in BUILD_ONLY)
    _kept.discard("__main__")
    program.freeze(sys.modules, passing=0)
    at_exit = atexit._run_exitfuncs
    atexit._run_exitfuncs = lambda: None  # what is registered is for the end of a call
    # componentize-py sets PYTHONUNBUFFERED, which would take the buffers from
    # the streams of every call.
    variables, os.environ = os.environ, {}
    for _ in range(REHEARSALS):
        sys.argv[:] = ["python3", "-c", "pass"]
        _call()
        sys.path[:] = LIBRARY_PATH
    os.environ = variables
    atexit._run_exitfuncs = at_exit
    sys.argv.clear()
    program.fresh_main()


def close_build():
    """The very last step: componentize-py's own imports leave sys.modules.

    It imports `weakref` and `random` once more after this, for its resources'
    finalizers and to seed anew in each call. It gets stand-ins: finalizers that
    suit the end of a program, and `random` is seeded when a program imports it,
    so that other programs need not pay for it.
    """
    unsetenv = os.unsetenv

    def last_step(name):
        os.unsetenv = unsetenv
        unsetenv(name)
        for module in [module for module in sys.modules if module not in _kept and module != "__main__"]:
            _held.append(library.take_back(module))
        sys.path[:] = LIBRARY_PATH
        for stand_in in STAND_INS:
            sys.modules[stand_in.__name__] = stand_in
        program.freeze(sys.modules, len(STAND_INS))
        heap.close_holes()

    # Its last step is to empty os.environ.
    os.unsetenv = last_step
