"""Takes the launcher's frames out of a program's sight.

CPython does not show a frame that has not reached its RESUME instruction: it
is in no traceback, no sys._getframe, no stack level of a warning. A function
whose RESUME lies behind its last return never reaches it.
"""

from opcode import opmap
from types import FunctionType

CODE_UNIT_BYTES = 2  # an instruction and its argument


def hide(function):
    raw = bytearray(function.__code__.co_code)
    at = next(at for at in range(0, len(raw), CODE_UNIT_BYTES) if raw[at] == opmap["RESUME"])
    resume = raw[at : at + CODE_UNIT_BYTES]
    raw[at : at + CODE_UNIT_BYTES] = bytes((opmap["NOP"], 0))
    function.__code__ = function.__code__.replace(co_code=bytes(raw + resume))


def hide_all(namespace):
    """All functions of a module of the launcher."""
    for value in list(namespace.values()):
        if isinstance(value, FunctionType) and value.__globals__ is namespace:
            hide(value)
