"""Moves the modules CPython loaded by itself to the library's final place.

Started by componentize-py, the interpreter has its library under another
folder. Tracebacks, __file__ and sys.prefix should name one place only.
"""

import _imp
import sys
from types import FunctionType

import library


def relocate(olds, new):
    """`olds` are the library's former folders, the longest first."""
    sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = "/usr"
    sys._stdlib_dir = new
    sys.platlibdir = "lib"
    sys.executable = sys._base_executable = "/usr/bin/python3"
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None) or ""
        old = next((old for old in olds if path.startswith(old + "/")), None)
        if old:
            _relocate_module(module, path, old, new)


def name_frames(modules):
    """Tracebacks name the launcher's own files as CPython does frozen ones."""
    for module in modules:
        for function in _functions(module):
            _imp._fix_co_filename(function.__code__, f"<frozen mote.{module.__name__}>")


def _relocate_module(module, path, old, new):
    moved = new + path[len(old) :]
    module.__file__ = moved
    module.__dict__.pop("__cached__", None)
    spec = module.__spec__
    if getattr(module, "__path__", None):
        module.__path__ = [moved.rpartition("/")[0]]
        spec.submodule_search_locations = module.__path__
    if spec.origin == path:
        spec.origin = moved
        spec.cached = None
        key = moved[len(new) + 1 :]
        spec.loader = module.__loader__ = library.LibraryLoader(spec.name, key)
        for function in _functions(module):
            _imp._fix_co_filename(function.__code__, moved)
    elif hasattr(spec, "loader_state") and spec.loader_state is not None:  # a frozen module
        spec.loader_state.filename = moved


def _functions(module):
    """Functions and methods written in the module's own file."""
    for value in list(vars(module).values()):
        for item in (value, *vars(value).values()) if isinstance(value, type) else (value,):
            item = getattr(item, "__func__", item)
            if isinstance(item, FunctionType) and item.__globals__ is vars(module):
                yield item
