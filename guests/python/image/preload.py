"""Imports, when the image is built, what programs import most."""

import builtins
import importlib
import importlib.util
import sys

import library

# What a fresh CPython has in sys.modules by itself. The import system holds
# these, so they stay; all else is put out of sight until it is imported.
BASE = frozenset(
    """__main__ _abc _codecs _collections_abc _frozen_importlib _frozen_importlib_external _imp _io _signal
    _sitebuiltins _stat _thread _warnings _weakref abc builtins codecs encodings encodings.aliases encodings.utf_8
    encodings.utf_8_sig genericpath io marshal os os.path posix posixpath site stat sys time zipimport""".split()
)

READY = """
    abc annotationlib argparse array ast asyncio atexit base64 binascii bisect calendar cmath code codeop collections
    collections.abc colorsys concurrent.futures concurrent.futures.thread configparser contextlib contextvars copy copyreg
    csv dataclasses datetime decimal difflib dis email email.message email.mime.multipart email.mime.text email.parser
    email.utils encodings.ascii encodings.cp1252 encodings.idna encodings.latin_1 encodings.raw_unicode_escape
    encodings.unicode_escape encodings.utf_16 encodings.utf_32 enum errno fileinput fnmatch fractions functools gc getopt
    getpass gettext glob graphlib gzip hashlib heapq hmac html html.entities html.parser http http.client importlib
    importlib.metadata importlib.resources importlib.util inspect ipaddress itertools json json.tool keyword linecache locale
    logging logging.handlers math mimetypes numbers opcode operator os pathlib pickle pkgutil platform pprint queue quopri
    random re reprlib runpy sched secrets select selectors shlex shutil signal socket sqlite3 stat statistics string struct
    subprocess sysconfig tarfile tempfile textwrap threading time timeit token tokenize tomllib traceback types typing
    unicodedata unittest unittest.mock urllib.error urllib.parse urllib.request uuid warnings weakref xml.dom.minidom
    xml.etree.ElementTree xml.sax.saxutils zipfile zlib zoneinfo _strptime
""".split()


def load(extra=()):
    """Imports READY; returns {name: names it needs}, the latter transitively."""
    edges = {}
    plain_import = builtins.__import__

    def noting(name, globals=None, locals=None, fromlist=(), level=0):
        module = plain_import(name, globals, locals, fromlist, level)
        importer = (globals or {}).get("__name__")
        package = (globals or {}).get("__package__") or importer
        full = name
        if level:
            full = importlib.util.resolve_name("." * level + name, package)
        needed = edges.setdefault(importer, set())
        parts = full.split(".")
        needed.update(".".join(parts[:count]) for count in range(1, len(parts) + 1))
        needed.update(f"{full}.{item}" for item in fromlist or () if f"{full}.{item}" in sys.modules)
        return module

    builtins.__import__ = noting
    try:
        for name in (*READY, *extra):
            importlib.import_module(name)
    finally:
        builtins.__import__ = plain_import
    for name in list(sys.modules):
        if "." in name:  # a submodule does not go without its package
            edges.setdefault(name, set()).add(name.rpartition(".")[0])
    return {name: _closure(name, edges) for name in sys.modules if name not in BASE}


def _closure(name, edges):
    found, todo = [], [name]
    while todo:
        for need in sorted(edges.get(todo.pop(), ())):
            if need not in found and need != name and need not in BASE and need in sys.modules:
                found.append(need)
                todo.append(need)
    return tuple(found)


def hide(needs, refresh):
    """Puts out of sight what a fresh CPython would not show.

    Built-in and frozen modules stay: their finders come before the library's,
    so no file of the program can take their place anyway.
    """
    ready = {}
    for name in needs:
        module = sys.modules.get(name)
        if isinstance(getattr(module, "__loader__", None), library.LibraryLoader):
            ready[name] = module
    library.keep_ready(ready, needs, refresh)
