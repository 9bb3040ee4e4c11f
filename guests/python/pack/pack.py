"""First step of the build: packs the standard library into two files.

componentize-py runs this module inside the very CPython that will run the
packed code, with its library under /python and the folder of this module
writable. What is written there:

  library.index  marshalled {path: (code offset, code length, offset, length)}
  library.blob   the bytes those offsets mean, each piece deflated

A Python file has code and source, any other file only the latter.
"""

import marshal
import os
import sys
import zlib

LIBRARY = "/usr/lib/python3.14"  # where the packed library claims to be
SOURCE = "/python"
SITE_PACKAGES = "site-packages"

# Left out: test suites, what draws windows or needs a compiler, and installers
# of packages, which would need a network.
LEFT_OUT = {
    "__pycache__", "build-details.json", "config-3.14-wasm32-wasi", "ensurepip", "idlelib", "test", "tests",
    "tkinter", "turtle.py", "turtledemo", "site-packages", "LICENSE.txt", "venv", "_aix_support.py",
    "_android_support.py", "_apple_support.py", "_ios_support.py", "_osx_support.py",
}
DATA_SUFFIXES = (".json", ".txt", ".def", ".tab", ".list", ".zi")


def files(folder, prefix=""):
    """Yields (path in the library, path in the build) of what is packed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in LEFT_OUT or entry.name.endswith(".dist-info"):
            continue
        path = prefix + entry.name
        if entry.is_dir():
            yield from files(entry.path, path + "/")
        else:
            yield path, entry.path


def wanted(path):
    return path.endswith((".py", *DATA_SUFFIXES)) or path.startswith(SITE_PACKAGES)


def pack(folders, out):
    index = {}
    size = 0
    with open(f"{out}/library.blob", "wb") as blob:

        def add(data):
            nonlocal size
            packed = zlib.compress(data, 9)
            blob.write(packed)
            offset, size = size, size + len(packed)
            return offset, len(packed)

        for prefix, folder in folders:
            for path, origin in files(folder, prefix):
                if not wanted(path):
                    continue
                with open(origin, "rb") as file:
                    data = file.read()
                code = (0, 0)
                if path.endswith(".py"):
                    compiled = compile(data, f"{LIBRARY}/{path}", "exec", dont_inherit=True)
                    code = add(marshal.dumps(compiled))
                index[path] = code + add(data)
    with open(f"{out}/library.index", "wb") as file:
        marshal.dump(index, file)


HERE = os.path.dirname(os.path.abspath(__file__))
EXTRA = sys.path[sys.path.index(HERE) + 1]  # the next --python-path: packages to add
pack([("", SOURCE), (SITE_PACKAGES + "/", EXTRA)], HERE)


class Run:
    """The world asks for it; this component is thrown away."""

    def run(self):
        pass
