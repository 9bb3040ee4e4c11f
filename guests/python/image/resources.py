"""importlib.resources over the library in memory (zoneinfo needs it)."""

import io
from importlib.resources.abc import Traversable, TraversableResources

import library


class LibraryResources(TraversableResources):
    """The data files of one package of the library."""

    def __init__(self, folder):
        self._folder = folder

    def files(self):
        return LibraryPath(self._folder)


class LibraryPath(Traversable):
    """A file or folder of the library, as importlib.resources sees it."""

    def __init__(self, key):
        self._key = key

    @property
    def name(self):
        return self._key.rpartition("/")[2]

    def __str__(self):
        return f"{library.LIBRARY}/{self._key}"

    def is_dir(self):
        return library.listing(self._key) is not None

    def is_file(self):
        return library.contents(self._key) is not None

    def iterdir(self):
        names = library.listing(self._key)
        if names is None:
            raise NotADirectoryError(20, "Not a directory", str(self))
        return (self / name for name in names)

    def joinpath(self, *parts):
        steps = [step for part in (self._key, *map(str, parts)) for step in part.split("/") if step not in ("", ".")]
        return LibraryPath("/".join(steps))

    __truediv__ = joinpath

    def open(self, mode="r", *args, **kwargs):
        data = library.contents(self._key)
        if data is None:
            raise IsADirectoryError(21, "Is a directory", str(self)) if self.is_dir() else FileNotFoundError(2, "No such file or directory", str(self))
        stream = io.BytesIO(data)
        return stream if "b" in mode else io.TextIOWrapper(stream, *args, **kwargs)
