"""Type hints of what the Python package makes at run time: the classes of codecs, and the native module's functions.

    .venv-wheel/bin/python scripts/python_hints.py check|write

`write` needs an installed h5etalon; it writes crates/python/h5etalon/__init__.pyi, from the codec table and from the names
that the package exports.
"""

import inspect
import sys
from pathlib import Path

import h5etalon

HINTS = Path(__file__).resolve().parent.parent / "crates/python/h5etalon/__init__.pyi"
HEAD = '''"""Written by scripts/python_hints.py from the codec table."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Type, Union

'''
HINT_OF = {"integer": "int", "number": "float", "flag": "bool", "text": "str", "values": "Sequence[Any]"}


def reexports():
    """Lines that import, from its module, what is written by hand."""
    by_module = {}
    for name in h5etalon.__all__:
        found = getattr(h5etalon, name)
        module = getattr(found, "__module__", None)
        if isinstance(module, str) and module.startswith("h5etalon."):
            by_module.setdefault(module.split(".")[1], []).append(name)
    for module, names in sorted(by_module.items()):
        yield "from .%s import %s" % (module, ", ".join("%s as %s" % (name, name) for name in sorted(names)))
    yield "from ._codecs import Codec as Codec"
    yield "from . import plot as plot"


def constants():
    """Lines that say of what type the plain values are."""
    for name in sorted(h5etalon.__all__):
        found = getattr(h5etalon, name)
        if isinstance(found, (int, str)):
            yield "%s: %s" % (name, type(found).__name__)
    yield "__version__: str"
    yield "FILTERS: Dict[str, int]"
    yield "FILTER_CLASSES: Tuple[Type[Any], ...]"
    yield "version_info: VersionInfo"


def hint(param):
    if param["kind"] == "choice":
        return "str"
    return HINT_OF[param["kind"]]


def classes():
    """Lines of the classes of codecs."""
    yield "class VersionInfo(NamedTuple):"
    yield from ("    %s: %s" % (name, kind.__name__) for name, kind in h5etalon.VersionInfo.__annotations__.items())
    for name in h5etalon.__all__:
        cls = getattr(h5etalon, name)
        if inspect.isclass(cls) and hasattr(cls, "params"):
            arguments = ["%s: Optional[%s] = None" % (key, hint(param)) for key, param in cls.params.items()]
            arguments += ["%s: Any = None" % argument.name for argument in cls.further_arguments]
            yield ""
            yield "class %s(Codec):" % name
            yield "    def __init__(self, *, %s) -> None: ..." % ", ".join(arguments)
    yield ""
    yield "def __getattr__(name: str) -> Any: ..."


def main():
    text = HEAD + "\n".join([*reexports(), "", *constants(), "", *classes()]) + "\n"
    if sys.argv[1:] == ["write"]:
        HINTS.write_text(text)
    elif sys.argv[1:] != ["check"]:
        sys.exit(__doc__)
    elif HINTS.read_text() != text:
        sys.exit("%s is out of date: run scripts/python_hints.py write" % HINTS.name)


if __name__ == "__main__":
    main()
