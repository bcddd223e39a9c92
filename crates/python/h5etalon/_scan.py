"""The smallest way to store a dataset that keeps a requirement: `etalon scan`, as a dictionary."""

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

from . import plot
from ._command import run
from ._filters import FilterBase, spec_of
from ._show import number, table
from ._verify import requirement_file, target_text

if TYPE_CHECKING:
    from ._verify import Require, Target


class Scanned(Dict[str, Any]):
    """What `etalon scan --json` prints: `points`, `chosen`, `verified`, `sample`, `requirement`, `noise`, `notes`, and more.

    `datasets` has the chosen point and the best of every codec with curves and pictures, as `etalon measure --json` has them:
    `h5etalon.plot.rate_distortion` draws them.
    """

    @property
    def spec(self) -> str:
        """The answer as a SPEC: for `etalon recompress`, `h5etalon.campaign`, and as `**h5etalon.Etalon(spec)`."""
        return str(self["chosen"]["spec"])

    @property
    def chosen(self) -> Dict[str, Any]:
        """The answer: spec, ratio (raw / stored), metrics, classes (limit, and how far it is promised: A, B or C), reason."""
        return dict(self["chosen"])

    @property
    def points(self) -> List[Dict[str, Any]]:
        """Every setting that was tried, in order: spec, codec, ratio, encode_gbps and decode_gbps (10⁹ raw bytes a second on
        one thread), holds, refuted, verdicts, limit_used (0 is no loss, 1 the limit), on_front, metrics, fallbacks (chunks).
        """
        return list(self["points"])

    @property
    def verified(self) -> Dict[str, Any]:
        """What the answer was verified on: chunks that no setting was looked for on, holds, metrics."""
        return dict(self["verified"])

    @property
    def holds(self) -> bool:
        """Whether the answer keeps every limit on the chunks kept back."""
        return bool(self["verified"]["holds"])

    def to_pandas(self) -> Any:
        """A pandas DataFrame with a row for each setting tried, and a column for the number of each limit. Needs pandas."""
        import pandas

        columns = ("codec", "ratio", "holds", "limit_used", "on_front", "encode_gbps", "decode_gbps", "fallbacks")
        rows = [
            {
                "spec": point["spec"],
                **{name: point[name] for name in columns},
                "chosen": point["spec"] == self.spec,
                **{one["value"]: one["measured"] for one in point["verdicts"]},
            }
            for point in self["points"]
        ]
        return pandas.DataFrame(rows).set_index("spec")

    def plot(self, limit: Optional[str] = None, axes: Any = None) -> Any:
        """Draws with matplotlib: the number of one limit into axes, which it returns, or all limits into a new figure.

        :raises ValueError: for a number without a limit, naming those that have one.
        """
        return plot.limit_figures(self) if limit is None else plot.limit(self, limit, axes)

    def _repr_html_(self) -> str:
        shown = [point for point in self["points"] if point["on_front"] or point["spec"] == self.spec]
        limits = [one["value"] for one in next((point["verdicts"] for point in shown), [])]
        rows = [
            (
                ("→ " if point["spec"] == self.spec else "") + point["spec"],
                number(point["ratio"]),
                *(number(one["measured"]) for one in point["verdicts"]),
                number(point["encode_gbps"]),
                number(point["decode_gbps"]),
            )
            for point in sorted(shown, key=lambda point: -point["ratio"])
        ]
        heads = ("codec", "ratio", *limits, "encode GB/s", "decode GB/s")
        return table(heads, rows, [self._summary(), *self["notes"]])

    def _summary(self) -> str:
        reason = self["chosen"].get("reason")
        classes = ", ".join("%s: class %s" % tuple(one) for one in self["chosen"]["classes"])
        return "%s %s on %d chunks kept back (%s)." % (
            self.spec,
            "keeps all limits" if self.holds else "does not keep all limits",
            self["verified"]["chunks"],
            reason or classes or "no loss",
        )


def scan(
    target: "Target",
    require: "Require",
    codecs: Union[str, FilterBase, Sequence[Union[str, FilterBase]]] = (),
    *,
    seed: Optional[int] = None,
    threads: Optional[int] = None,
    progress: bool = False,
) -> Scanned:
    """Looks for the smallest way to store a dataset that keeps a requirement.

    Settings are tried on a sample of chunks, and the smallest that keeps every limit is verified on other chunks. The work
    is that of `etalon scan`, in a process of its own.

    :param target: a path, `"file.h5::/dataset"`, or a file or dataset that is open for reading; one dataset is meant.
    :param require: limits on metrics: a profile such as `"saxs"`, a TOML or JSON file, a list such as `["ssim>=0.99"]`, or a
        mapping with the keys of such a file: `limits`, `settings` (as for `measure`), `profile`, `sample` (`bytes`, `seed`).
    :param codecs: codecs to try, as SPEC or filters, in which one setting may be open: `"noise"`, `"quantise:psnr=*"`. Those
        that suit the limits by default.
    :param seed: of the sample, instead of that of the requirement.
    :param threads: threads that encode and measure; as many as there are cores by default.
    :param progress: let the command show its bar where standard error is a terminal.
    :return: a dictionary that Jupyter shows as a table; `.spec` is the answer, `.plot()` draws the search.
    :raises ValueError: for a dataset, a limit or a codec that does not exist, and for metrics that refuse the data.
    :raises OSError: for a file that cannot be read.
    """
    arguments = ["scan", target_text(target), "--json"]
    for codec in [codecs] if isinstance(codecs, (str, FilterBase)) else codecs:
        arguments += ["--codec", spec_of(codec)]
    if seed is not None:
        arguments += ["--seed", str(seed)]
    if threads is not None:
        arguments += ["--jobs", str(threads)]
    with ExitStack() as folders:
        arguments += ["--require", requirement_file(require, folders)]
        found: Mapping[str, Any] = json.loads(run(arguments, progress).stdout)
    return Scanned(found)
