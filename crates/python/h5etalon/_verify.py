"""Whether files are what they claim to be: `etalon verify` of datasets, as a dictionary."""

import json
import os
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Sequence, Union

import h5py

from ._command import run
from ._plain import as_json
from ._show import number, table

if TYPE_CHECKING:
    from os import PathLike

    Target = Union[str, "PathLike[str]", h5py.File, h5py.Dataset]
    Require = Union[str, "PathLike[str]", Mapping[str, Any], Sequence[str]]


class Verified(Dict[str, Any]):
    """What `etalon verify --json` prints: `holds`, and `datasets`, a list of dictionaries.

    Of each dataset: dataset, holds, chunks (decoded), compared, max_abs_error, losses (whose errors add up), not_checked (why
    not, where a filter is missing), failures (chunk, reason) and verdicts (value, at_least, limit, measured, holds).
    """

    @property
    def holds(self) -> bool:
        """Whether all is as claimed, and all limits are kept."""
        return bool(self["holds"])

    def failures(self) -> List[str]:
        """What does not hold, in sentences."""
        found = []
        for row in self["datasets"]:
            if row.get("not_checked"):
                found.append("%s: not checked: %s" % (row["dataset"], row["not_checked"]))
            for one in row["failures"]:
                place = "" if one["chunk"] is None else " chunk at %s" % one["chunk"]
                found.append("%s%s: %s" % (row["dataset"], place, one["reason"]))
            found += ["%s: %s" % (row["dataset"], _broken(one)) for one in row["verdicts"] if not one["holds"]]
        return found

    def raise_for_failures(self) -> None:
        """Does nothing where all holds.

        :raises ValueError: otherwise, with all sentences.
        """
        if not self.holds:
            raise ValueError("; ".join(self.failures()))

    def to_pandas(self) -> Any:
        """A pandas DataFrame with a row for each dataset. Needs pandas."""
        import pandas

        rows = [{**row, "failures": len(row["failures"])} for row in self["datasets"]]
        return pandas.DataFrame([{key: row[key] for key in row if key != "verdicts"} for row in rows]).set_index(
            "dataset"
        )

    def _repr_html_(self) -> str:
        rows = [
            (row["dataset"], "✓" if _row_holds(row) else "✗", str(row["chunks"]), number(row["max_abs_error"]))
            for row in self["datasets"]
        ]
        notes = self.failures() or ["All holds."]
        return table(("dataset", "holds", "chunks decoded", "largest error"), rows, notes)


def _broken(verdict: Mapping[str, Any]) -> str:
    sign = ">=" if verdict["at_least"] else "<="
    limit = "%s%s%s" % (verdict["value"], sign, number(verdict["limit"]))
    return "%s is not kept: it is %s" % (limit, number(verdict["measured"]))


def _row_holds(row: Mapping[str, Any]) -> bool:
    return bool(row["holds"] and all(one["holds"] for one in row["verdicts"]))


def verify(
    file: "Target",
    against: "Optional[Target]" = None,
    require: "Optional[Require]" = None,
    *,
    datasets: Union[str, Iterable[str]] = (),
    threads: Optional[int] = None,
    progress: bool = False,
) -> Verified:
    """Whether a file is what it claims to be; before an original is deleted, for instance.

    Every chunk is decoded, and compared with its checksum. With `against`, what claims to be exact must be equal bit for bit,
    and elsewhere the loss no larger than was recorded, and within its bound. The work is that of `etalon verify`, in a
    process of its own.

    :param file: a path, `"file.h5::/dataset"`, or a file or dataset that is open for reading.
    :param against: the original, in the same words.
    :param require: limits on metrics: a profile such as `"saxs"`, a TOML or JSON file, a list such as `["ssim>=0.99"]`, or a
        mapping with the keys of such a file: `limits`, `settings` (as for `measure`), `profile`.
    :param datasets: patterns of paths, such as `"/entry/*"`, or one; all datasets by default.
    :param threads: threads that decode; as many as there are cores by default.
    :param progress: let the command show its bar where standard error is a terminal.
    :return: a dictionary that Jupyter shows as a table; `.holds` is the answer.
    :raises ValueError: for a dataset or a limit that does not exist.
    :raises OSError: for a file that cannot be read. Damaged chunks are no error, but a result.
    """
    arguments = ["verify", target_text(file), "--json"]
    for pattern in [datasets] if isinstance(datasets, str) else datasets:
        arguments += ["--dataset", pattern]
    if against is not None:
        arguments += ["--against", target_text(against)]
    if threads is not None:
        arguments += ["--jobs", str(threads)]
    with ExitStack() as folders:
        if require is not None:
            arguments += ["--require", requirement_file(require, folders)]
        done = run(arguments, progress, codes=(0, 1, 3))
    answer = json.loads(done.stdout)
    if "datasets" not in answer:
        raise OSError(answer["message"])
    return Verified(answer)


def target_text(target: "Target") -> str:
    if isinstance(target, h5py.Dataset):
        return "%s::%s" % (os.path.abspath(target.file.filename), target.name)
    if isinstance(target, h5py.File):
        return str(os.path.abspath(target.filename))
    return str(os.fspath(target))


def requirement_file(require: "Require", folders: ExitStack) -> str:
    """Path of a requirement; one that is no file is written to one."""
    if isinstance(require, str) and (">=" in require or "<=" in require):
        require = [require]
    if isinstance(require, (str, os.PathLike)):
        return os.fspath(require)
    document = dict(require) if isinstance(require, Mapping) else {"limits": list(require)}
    path = os.path.join(folders.enter_context(tempfile.TemporaryDirectory()), "require.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write(as_json(document))
    return path
