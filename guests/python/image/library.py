"""The standard library, in the memory of the component.

sys.path names it as a folder, /usr/lib/python3.14, which is there for the
import system alone. A module comes from one of two places:

  ready   imported when the image was built. Handing it out is one dictionary
          look-up; the modules it needs appear in sys.modules along with it.
  packed  code and source in one blob, see pack.py. Inflated when asked for.
"""

import marshal
import sys
import zlib
from importlib._bootstrap import _call_with_frames_removed
from importlib.machinery import ModuleSpec

LIBRARY = "/usr/lib/python3.14"
SITE_PACKAGES = LIBRARY + "/site-packages"

_index = {}  # path in the library -> (code offset, code length, offset, length)
_blob = b""
_folders = set()
_ready = {}  # name -> module
_needs = {}  # name of a ready module -> names of ready modules it imports
_refresh = {}  # name of a ready module -> what brings it up to date
resource_reader = None  # resources.py fills it in; it imports too much to be needed here


def open_library(folder):
    """Takes what pack.py wrote."""
    global _blob
    with open(f"{folder}/library.index", "rb") as file:
        _index.update(marshal.load(file))
    with open(f"{folder}/library.blob", "rb") as file:
        _blob = file.read()
    _folders.add("")
    for path in _index:
        while "/" in path:
            path = path.rpartition("/")[0]
            _folders.add(path)


def _piece(offset, length):
    return zlib.decompress(memoryview(_blob)[offset : offset + length])


def _inside(path):
    """The path within the library, or None when it leads elsewhere."""
    if path == LIBRARY:
        return ""
    return path[len(LIBRARY) + 1 :] if path.startswith(LIBRARY + "/") else None


def keep_ready(modules, needs, refresh):
    """Holds `modules` back from sys.modules until a program imports them."""
    _ready.update(modules)
    _needs.update(needs)
    _refresh.update(refresh)
    for name in modules:
        sys.modules.pop(name, None)


def take_back(name):
    """Undoes that `name` was imported while the image was built."""
    module = sys.modules.pop(name)
    if isinstance(getattr(module, "__loader__", None), LibraryLoader):
        _ready[name] = module
    return module


def _hand_out(name):
    module = _ready.pop(name)
    if update := _refresh.get(name):
        update(module)
    for need in _needs.get(name, ()):
        if need in _ready and need not in sys.modules:
            sys.modules[need] = _hand_out(need)
    return module


class LibraryFinder:
    """Finds what lies in one folder of the library."""

    def __init__(self, path):
        inside = _inside(path)
        if inside is None or inside not in _folders:
            raise ImportError("not a folder of the library", path=path)
        self.path = path
        self._prefix = inside + "/" if inside else ""

    def find_spec(self, fullname, target=None):
        base = self._prefix + fullname.rpartition(".")[2]
        for key, package in ((base + "/__init__.py", True), (base + ".py", False)):
            if key in _index:
                break
        else:
            return None
        origin = f"{LIBRARY}/{key}"
        spec = ModuleSpec(fullname, LibraryLoader(fullname, key), origin=origin, is_package=package)
        spec.has_location = True
        if package:
            spec.submodule_search_locations.append(f"{LIBRARY}/{base}")
        return spec

    def iter_modules(self, prefix=""):
        found = {}
        for key in _index:
            name, _, rest = key[len(self._prefix) :].partition("/")
            if not key.startswith(self._prefix):
                continue
            if rest == "__init__.py":
                found[name] = True
            elif not rest and name.endswith(".py") and name != "__init__.py":
                found.setdefault(name[:-3], False)
        for name in sorted(found):
            yield prefix + name, found[name]


class LibraryLoader:
    """Loads one module of the library."""

    def __init__(self, name, key):
        self.name = name
        self.path = f"{LIBRARY}/{key}"
        self._key = key
        self._was_ready = False

    def create_module(self, spec):
        module = _ready.get(spec.name)
        if module is None or getattr(module, "__file__", None) != self.path:
            return None
        self._was_ready = True
        return _hand_out(spec.name)

    def exec_module(self, module):
        if self._was_ready:
            self._was_ready = False
            return
        _call_with_frames_removed(exec, self.get_code(module.__name__), module.__dict__)

    def get_code(self, fullname):
        offset, length = _index[self._key][:2]
        return marshal.loads(_piece(offset, length))

    def get_source(self, fullname):
        return self.get_data(self.path).decode("utf-8").replace("\r\n", "\n")

    def get_data(self, path):
        inside = _inside(path)
        if inside not in _index:
            raise FileNotFoundError(2, "No such file or directory", path)
        return _piece(*_index[inside][2:])

    def get_filename(self, fullname=None):
        return self.path

    def is_package(self, fullname):
        return self._key.endswith("/__init__.py")

    def get_resource_reader(self, fullname):
        return resource_reader(self._key.rpartition("/")[0])


# Its frame belongs to the import system, which tracebacks leave out.
LibraryLoader.exec_module.__code__ = LibraryLoader.exec_module.__code__.replace(
    co_filename="<frozen importlib._bootstrap_external>"
)


def listing(folder):
    """Names in a folder of the library, or None when there is no such one."""
    if folder not in _folders:
        return None
    prefix = folder + "/" if folder else ""
    return sorted({key[len(prefix) :].partition("/")[0] for key in _index if key.startswith(prefix)})


def contents(key):
    return _piece(*_index[key][2:]) if key in _index else None


def install():
    """Puts the library where CPython looks for its own."""
    sys.path_hooks.insert(0, LibraryFinder)
    sys.path_importer_cache[LIBRARY] = LibraryFinder(LIBRARY)
    # CPython looks there too, and finds nothing.
    for absent in ("/usr/lib/python314.zip", LIBRARY + "/lib-dynload"):
        sys.path_importer_cache[absent] = None
