# Runs the calls of one context, one after the other, in one namespace.
#
# A call comes as a line of JSON on standard input. What it writes goes to the
# standard streams as it is. Its end is told on both, in a line after a mark:
# on stderr only which call it was, on stdout also what became of it.
import ast
import builtins
import io
import json
import linecache
import os
import sys
import traceback
import types

MARK = b"\x1emote:"
# Longest text in a reply, in characters: the host takes 2 MiB in all, and
# JSON takes up to 12 bytes for a character.
MOST = 32768
# Calls whose source lines tracebacks can show.
SHOWN = 64

DRIVER = globals()
main = types.ModuleType("__main__")
main.__builtins__ = builtins
sys.modules["__main__"] = main


def take_input():
    """The stream of calls, out of reach of what they read themselves."""
    try:
        calls = os.fdopen(os.dup(0), "rb")
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
    except (AttributeError, OSError):
        # WASI cannot duplicate descriptors.
        calls = sys.stdin.buffer
    sys.stdin = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    return calls


def clean(text):
    """Text that JSON can carry: of bounded length, without surrogates."""
    if len(text) > MOST:
        text = text[:MOST] + "\u2026"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# What a call may replace is bound here.
def tell(stream, reply, dumps=json.dumps, write=os.write):
    frame = MARK + dumps(reply).encode("ascii") + b"\n"
    while frame:
        frame = frame[write(stream, frame):]


def flush():
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except BaseException:
            pass


def remember(name, code):
    """Makes tracebacks show source lines of what is no file."""
    ours = [key for key in linecache.cache if key.startswith("<call ")]
    for key in ours[:-SHOWN]:
        del linecache.cache[key]
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)


def execute(code, name, shows):
    tree = compile(code, name, "exec", ast.PyCF_ONLY_AST, True)
    last = None
    if shows and tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    exec(compile(tree, name, "exec", 0, True), main.__dict__)
    if last is None:
        return None
    value = eval(compile(last, name, "eval", 0, True), main.__dict__)
    if value is None:
        return None
    main._ = value
    return clean(repr(value))


def status(end):
    """The exit status that `SystemExit` asks for."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 255
    print(end.code, file=sys.stderr)
    return 1


def describe(error):
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is DRIVER:
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    try:
        message = str(error)
    except BaseException:
        message = "<exception str() failed>"
    return {
        "name": clean(type(error).__name__),
        "message": clean(message),
        "traceback": clean("".join(lines)),
    }


def load(call):
    """The code of a call, and the name it has in tracebacks."""
    if "file" in call:
        sys.path[0] = os.path.dirname(os.path.abspath(call["file"]))
        main.__file__ = call["file"]
        with open(call["file"], "rb") as file:
            return file.read(), call["file"]
    name = call.get("name") or "<call %d>" % call["id"]
    remember(name, call["code"])
    return call["code"], name


def answer(call):
    program = "argv" in call
    try:
        code, name = load(call)
    except OSError as error:
        path = os.path.abspath(call.get("file", ""))
        print(
            "python3: can't open file %r: [Errno %s] %s" % (path, error.errno, error.strerror),
            file=sys.stderr,
        )
        return {"exit_code": 2}
    try:
        result = execute(code, name, not program)
        return {"exit_code": 0, "result": result}
    except SystemExit as end:
        return {"exit_code": status(end)}
    except BaseException as error:
        told = describe(error)
        if program:
            print(told["traceback"], end="", file=sys.stderr)
        return {"exit_code": 1, "error": told}


def prepared(call):
    """Runs a call as its surroundings are to be, and restores those."""
    sys.argv = call.get("argv", [""])
    env = call.get("env", {})
    before = {key: os.environ.get(key) for key in env}
    os.environ.update(env)
    path = sys.path[0]
    try:
        if "cwd" in call:
            os.chdir(os.path.join(HOME, call["cwd"]))
        return answer(call)
    finally:
        sys.path[0] = path
        main.__dict__.pop("__file__", None)
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


HOME = os.getcwd()
calls = take_input()
# A call that is ended has told at least its whole lines.
sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
# Now the time of calls begins.
tell(1, {"id": 0})
for line in iter(calls.readline, b""):
    call = json.loads(line)
    try:
        reply = prepared(call)
    except BaseException as error:
        reply = {"exit_code": 1, "error": describe(error)}
    flush()
    tell(2, {"id": call["id"]})
    tell(1, dict(reply, id=call["id"]))
