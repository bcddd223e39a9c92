"""What a campaign does with each of its files: recompress, measure, verify, or a function of the user's."""

import json
import os
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from ._filters import spec_of
from ._plain import as_json
from ._verify import requirement_file

Function = Callable[..., Mapping[str, Any]]

# What the keyword arguments of a task are for the command.
_FLAGS = {
    "recompress": {
        "codec": "--codec", "datasets": "--dataset", "chunk": "--chunk", "mode": "--mode", "stream": "--stream",
        "verify": "--no-verify", "provenance": "--no-provenance",
    },
    "measure": {
        "codecs": "--codec", "metrics": "--metrics", "profile": "--profile", "limits": "--limit", "settings": "--set",
        "datasets": "--dataset", "runs": "--runs", "against": "",
    },
    "verify": {"require": "--require", "datasets": "--dataset", "against": ""},
}  # fmt: skip


class Task(NamedTuple):
    """What is done with each file. Workers get it as it is here, whatever files the user's machine has."""

    kind: str
    """recompress, measure, verify, or the name of the function."""
    out: str
    """Folder of the results, absolute."""
    arguments: Tuple[str, ...] = ()
    """For the command, without the files."""
    require: Optional[Tuple[str, str]] = None
    """Suffix and text of a requirement."""
    against: Optional[str] = None
    """Folder of the originals, or the one original, absolute."""
    function: Optional[Function] = None
    options: Mapping[str, Any] = {}
    """For the function."""
    threads: int = 1
    campaign: str = ""
    """Which run this is: work that it has done is not forced again."""
    force: bool = False

    @property
    def copies(self) -> bool:
        """Whether a result is a copy of its file; the others are JSON."""
        return self.function is None and self.kind == "recompress"

    def asked(self) -> List[Any]:
        """By what one knows that a result is still what is asked for, as JSON gives it back."""
        options = json.loads(json.dumps(dict(self.options), default=repr, sort_keys=True))
        return [self.kind, list(self.arguments), list(self.require or ()), self.against, options]

    def output(self, name: str) -> str:
        """Path of the result for a file of this name."""
        return os.path.join(self.out, name if self.copies else "%s.%s.json" % (name, self.kind))

    def state(self, name: str) -> str:
        """Path, without its suffix, of what is remembered of a file of this name."""
        return os.path.join(self.out, ".etalon-campaign", self.kind, name)

    def command(self, path: str, name: str, replaces: bool, folders: ExitStack) -> List[str]:
        """Arguments of the command for one file, which it names by absolute paths."""
        words = [self.kind, *self.arguments, "--json", "--quiet", "--jobs", str(self.threads)]
        original = self.against
        if original is not None and os.path.isdir(original):
            original = os.path.join(original, name)
        if self.copies:
            return [*words, *(["--force"] if replaces else []), "--", path, self.output(name)]
        if self.require is not None:
            words += ["--require", _written(self.require, folders)]
        if original is not None and self.kind == "verify":
            words += ["--against", original]
        return [*words, "--", *([original] if original is not None and self.kind == "measure" else []), path]


def make_task(
    kind: Union[str, Function], out: str, threads: int, campaign: str, force: bool, options: Dict[str, Any]
) -> Task:
    """The task of these keyword arguments.

    :raises TypeError: for keyword arguments that the task has not, a missing codec, and a function without a name.
    :raises ValueError: for a task that there is not, and no threads.
    """
    if threads < 1:
        raise ValueError("threads must be 1 or more, not %d" % threads)
    common: Dict[str, Any] = {"out": os.path.abspath(out), "threads": threads, "campaign": campaign, "force": force}
    if callable(kind):
        name = getattr(kind, "__name__", "<nameless>")
        if not name.isidentifier():
            raise TypeError("the function is called %s: results have its name, so it needs one of its own" % name)
        return Task(name, function=kind, options=options, **common)
    if kind not in _FLAGS:
        raise ValueError("task must be %s, or a function, not %r" % (", ".join(_FLAGS), kind))
    flags = _FLAGS[kind]
    unknown = [name for name in options if name not in flags]
    if unknown:
        raise TypeError("%s has no option %s; it has %s" % (kind, ", ".join(unknown), ", ".join(flags)))
    if kind == "recompress" and options.get("codec") is None:
        raise TypeError("recompress needs codec=, as in codec='bitshuffle:compressor=zstd'")
    given = {name: value for name, value in options.items() if value is not None}
    words = [word for name, value in given.items() for word in _words(flags[name], name, value)]
    against = given.get("against")
    return Task(
        kind,
        arguments=tuple(words),
        require=_requirement(given["require"]) if "require" in given else None,
        against=None if against is None else os.path.abspath(os.fspath(against)),
        **common,
    )


def _words(flag: str, name: str, value: Any) -> List[str]:
    """Arguments of the command for one keyword argument."""
    if name in ("require", "against"):
        return []
    if name in ("verify", "provenance"):
        return [] if value else [flag]
    if name == "settings":
        return [word for key, text in _flat("", value) for word in (flag, "%s=%s" % (key, text))]
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if name in ("chunk", "metrics"):
        return [flag, ",".join(map(str, values))]
    return [word for one in values for word in (flag, str(spec_of(one) if "codec" in name else one))]


def _flat(prefix: str, table: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """Dotted keys and values of TOML."""
    found: List[Tuple[str, str]] = []
    for key, value in table.items():
        inner = isinstance(value, Mapping)
        found += _flat(prefix + key + ".", value) if inner else [(prefix + key, _toml(value))]
    return found


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ %s }" % ", ".join("%s = %s" % (key, _toml(one)) for key, one in value.items())
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return "[%s]" % ", ".join(map(_toml, value))
    return as_json(value)


def _requirement(require: Any) -> Tuple[str, str]:
    """Suffix and text of a requirement; a profile is its name alone."""
    with ExitStack() as folders:
        path = requirement_file(require, folders)
        if not os.path.isfile(path):
            return "", path
        with open(path, encoding="utf-8") as file:
            return os.path.splitext(path)[1], file.read()


def _written(require: Tuple[str, str], folders: ExitStack) -> str:
    suffix, text = require
    if not suffix:
        return text
    path = os.path.join(folders.enter_context(TemporaryDirectory()), "require" + suffix)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path
