"""The command line of python3: which words are whose."""

USAGE = """\
usage: {program} [option] ... [-c cmd | -m mod | file | -] [arg] ...
"""

USAGE_ERROR = USAGE + "Try `python -h' for more information.\n"

HELP = USAGE + """\
Options (and corresponding environment variables):
-b     : issue warnings about converting bytes/bytearray to str and comparing
         bytes/bytearray with str or bytes with int. (-bb: issue errors)
-B     : don't write .pyc files on import; also PYTHONDONTWRITEBYTECODE=x
-c cmd : program passed in as string (terminates option list)
-E     : ignore PYTHON* environment variables (such as PYTHONPATH)
-h     : print this help message and exit (also -? or --help)
-I     : isolate Python from the user's environment (implies -E, -P and -s)
-m mod : run library module as a script (terminates option list)
-O     : remove assert and __debug__-dependent statements from the program
-OO    : do -O changes and also discard docstrings
-P     : don't prepend a potentially unsafe path to sys.path; also
         PYTHONSAFEPATH
-u     : force the stdout and stderr streams to be unbuffered;
         this option has no effect on stdin; also PYTHONUNBUFFERED=x
-V     : print the Python version number and exit (also --version)
         when given twice, print more information about the build
-W arg : warning control; arg is action:message:category:module:lineno
         also PYTHONWARNINGS=arg
-x     : skip first line of source, allowing use of non-Unix forms of #!cmd
-X opt : set implementation-specific option
Accepted and without effect here: -d -i -q -s -S -v --check-hash-based-pycs

Arguments:
file   : program read from script file
-      : program read from stdin (default)
arg ...: arguments passed to program in sys.argv[1:]
"""

WITH_ARGUMENT = "cmWX"
KNOWN = "bBdEhiIOPqsSuvVx?"


class UsageError(Exception):
    """The words make no command line; says what to print first."""


class Options:
    """What the words before the program ask for."""

    def __init__(self):
        self.flags = {}  # letter -> how often it was given
        self.command = None  # -c
        self.module = None  # -m
        self.script = None  # a path, "-" or none
        self.warnings = []  # -W
        self.x = []  # -X
        self.arguments = []  # the program's

    def has(self, letter):
        return letter in self.flags


def parse(words):
    """Splits the words after the program's name as CPython does."""
    options = Options()
    rest = list(words)
    while rest:
        word = rest[0]
        if word == "-" or not word.startswith("-"):
            options.script = rest.pop(0)
            break
        rest.pop(0)
        if word == "--":
            options.script = rest.pop(0) if rest else None
            break
        ended = _long(options, word, rest) if word.startswith("--") else _letters(options, word[1:], rest)
        if ended:
            break
    options.arguments = rest
    return options


def _long(options, word, rest):
    if word in ("--help", "--version"):
        letter = "h" if word == "--help" else "V"
        options.flags[letter] = options.flags.get(letter, 0) + 1
    elif word in ("--help-env", "--help-xoptions", "--help-all"):
        options.flags["h"] = 1
    elif word == "--check-hash-based-pycs":
        if not rest:
            raise UsageError("Argument expected for the --check-hash-based-pycs options\n")
        if rest.pop(0) not in ("always", "never", "default"):
            raise UsageError("--check-hash-based-pycs must be one of 'default', 'always', or 'never'\n")
    else:
        raise UsageError(f"unknown option {word}\n")
    return False


def _letters(options, letters, rest):
    """One word of letters, such as -Bc; True when it ends the options."""
    for position, letter in enumerate(letters):
        if letter in WITH_ARGUMENT:
            value = letters[position + 1 :]
            if not value:
                if not rest:
                    raise UsageError(f"Argument expected for the -{letter} option\n")
                value = rest.pop(0)
            if letter == "c":
                options.command = value
            elif letter == "m":
                options.module = value
            else:
                (options.warnings if letter == "W" else options.x).append(value)
            return letter in "cm"
        if letter not in KNOWN:
            raise UsageError(f"Unknown option: -{letter}\n")
        letter = "h" if letter == "?" else letter
        options.flags[letter] = options.flags.get(letter, 0) + 1
    return False
