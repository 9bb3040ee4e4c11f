"""python3 as a component of Mote: what is done when the image is built.

componentize-py imports this module, snapshots the interpreter's memory, and
calls `Run().run()` in each fresh instance. Whatever is done here is free at run
time; whatever must be live at run time is done in launcher.py.
"""

import sys

PRIVATE = ("library", "relocate", "resources", "streams", "options", "preload", "program", "launcher", "children", "pipes", "heap", "loops", "permissions", "unseen")
BUILD_LIBRARY = "/python"  # where componentize-py shows the library
FROZEN_LIBRARY = "/python/lib/python3.14"  # where its frozen modules believe they are from
HERE = __file__.rpartition("/")[0]

import library

library.open_library(HERE)
library.install()
sys.path[:] = [HERE, library.LIBRARY, *(path for path in sys.path if not path.startswith(BUILD_LIBRARY))]

import relocate

relocate.relocate((FROZEN_LIBRARY, BUILD_LIBRARY), library.LIBRARY)

import preload

_needs = preload.load()

import children
import launcher
import loops
import permissions
import program
import resources
import unseen

children.install()
loops.install()
permissions.install()

library.resource_reader = resources.LibraryResources


class Run:
    """The world's export."""

    def run(self):
        launcher.main()


launcher.import_bindings()
unseen.hide(Run.run)
unseen.hide_all(vars(launcher))
unseen.hide_all(vars(program))
launcher.prepare(PRIVATE, HERE)
preload.hide(_needs, launcher.REFRESH)
launcher.rehearse()
launcher.close_build()
