"""Which files a campaign is about, by what names, and which part of them one machine takes.

The names and the parts are those of `etalon catalogue --shard`: parts of both fit.
"""

import glob
import os
import re
from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, NamedTuple, Tuple, Union

if TYPE_CHECKING:
    from os import PathLike

    Files = Union[str, "PathLike[str]", Iterable[Union[str, "PathLike[str]"]]]

# What HDF5 files are called.
EXTENSIONS = (".h5", ".hdf5", ".hdf", ".nxs", ".nx", ".cxi", ".nc", ".nc4")


class Source(NamedTuple):
    """A file of a campaign."""

    path: str
    """Absolute."""
    name: str
    """Path below the folder that was named: what the results are called, and what chooses the part."""


class Shard(NamedTuple):
    """Part `part` of `parts`, the first being 1. Every file belongs to one part, whoever asks."""

    part: int
    parts: int

    def takes(self, name: str) -> bool:
        """Whether the file of this name belongs to this part."""
        text = os.fsencode(name).decode("utf-8", "replace").encode()
        return fnv1a(text) % self.parts == self.part - 1


def fnv1a(data: bytes) -> int:
    """FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/)."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def parse_shard(text: Union[str, Tuple[int, int]]) -> Shard:
    """The part that `"2/8"` or `(2, 8)` means.

    :raises ValueError: for what is no part.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text) if isinstance(text, str) else None
    part, parts = map(int, found.groups()) if found else text if isinstance(text, tuple) else (0, 0)
    if not 1 <= part <= parts:
        raise ValueError("%r is no part: the second of four is 2/4" % (text,))
    return Shard(part, parts)


def sources(files: "Files", shard: Shard, left_out: str) -> List[Source]:
    """Files of one part in the order of their names; those below the folder `left_out` are none.

    :param files: files, folders that are searched to the bottom, patterns with `*` and `**`, or several of them.
    :raises ValueError: for patterns that match nothing, and for different files of one name.
    """
    places = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    out = os.path.join(os.path.abspath(left_out), "")
    found: Dict[str, str] = {}
    for place in places:
        for path, name in _below(os.fspath(place)):
            if path.startswith(out) or not shard.takes(name):
                continue
            if found.setdefault(name, path) != path:
                both = "%s and %s" % (found[name], path)
                raise ValueError("%s would have results of one name: name a folder above both" % both)
    return [Source(path, name) for name, path in sorted(found.items())]


def _below(place: str) -> Iterator[Tuple[str, str]]:
    """Absolute paths and names of files."""
    root = os.path.abspath(place)
    if os.path.isdir(root):
        unreadable: List[OSError] = []
        for folder, _, names in os.walk(root, onerror=unreadable.append):
            for name in names:
                if os.path.splitext(name)[1] in EXTENSIONS:
                    path = os.path.join(folder, name)
                    yield path, os.path.relpath(path, root)
        # They become rows that say why.
        yield from ((error.filename, os.path.relpath(error.filename, root)) for error in unreadable)
    elif os.path.exists(root) or not glob.has_magic(place):
        # A file that is missing is found out when its turn comes, and costs no other file anything.
        yield root, os.path.basename(root)
    else:
        paths = [path for path in glob.glob(root, recursive=True) if os.path.isfile(path)]
        if not paths:
            raise ValueError("no file is called %s" % place)
        folder = _folder_without_pattern(root)
        for path in paths:
            yield path, os.path.relpath(path, folder)


def _folder_without_pattern(pattern: str) -> str:
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern
