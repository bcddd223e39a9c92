"""`Auto` with a requirement instead of a bound: codec and setting are found on data like those that will be stored.

A filter is fixed when a dataset is created, before it has any data, so a requirement alone decides nothing: somebody has to
say what the data are like.
"""

import inspect
import os
import tempfile
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Union

import h5py
import numpy as np

from ._codecs import Codec
from ._filters import Etalon, FilterBase
from ._scan import Scanned, scan

if TYPE_CHECKING:
    from ._verify import Require, Target

_ARGUMENTS = ("requirement", "data", "codecs", "threads")


class AutoBase(Codec):
    """What `Auto` takes beside the keys of its SPEC."""

    further_arguments: List[inspect.Parameter] = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in _ARGUMENTS
    ]
    further_doc = """

Or, with a requirement, the codec and the setting that `h5etalon.scan` finds the smallest on data like those to be stored;
`.scanned` is what it found, and `.spec` its answer:

:param requirement: limits on metrics: a profile such as `"saxs"`, a TOML or JSON file, a list such as `["ssim>=0.99"]`, or a
    mapping with the keys of such a file.
:param data: data to look at: a path, `"file.h5::/dataset"`, a dataset that is open for reading, or an array of frames along
    its first axis, each of which is one chunk. An array is written to a temporary file.
:param codecs: codecs to try, as for `h5etalon.scan`.
:param threads: threads that encode and measure; as many as there are cores by default.
:raises ValueError: for a requirement without data, and for one that not even the original keeps.
"""
    scanned: Optional[Scanned] = None
    __hash__ = Codec.__hash__

    def __init__(
        self,
        *,
        requirement: "Optional[Require]" = None,
        data: "Union[Target, np.ndarray[Any, Any], None]" = None,
        codecs: Union[str, FilterBase, Sequence[Union[str, FilterBase]], None] = None,
        threads: Optional[int] = None,
        **settings: Any,
    ) -> None:
        if requirement is None:
            if data is not None or codecs is not None or threads is not None:
                raise TypeError("Auto looks at data for a requirement: give requirement= too")
            super().__init__(**settings)
            return
        given = [key for key, value in settings.items() if value is not None]
        if given:
            raise TypeError("a requirement leaves codec and setting to Auto: leave %s out" % ", ".join(given))
        if data is None:
            raise ValueError(
                "Auto(requirement=…) needs data= to look at: a filter is fixed before its dataset has any. Give a dataset, a "
                "path or an array of a few frames like those to be stored"
            )
        self.scanned = _scan(data, requirement, codecs or (), threads)
        if not self.scanned.holds:
            reason = self.scanned.chosen.get("reason") or "%s does not" % self.scanned.spec
            raise ValueError("nothing keeps the requirement on these data: %s" % reason)
        chosen = Etalon(self.scanned.spec)
        super(Etalon, self).__init__(chosen.filter_options, {"requirement": requirement}, chosen.spec)


def _scan(data: Any, requirement: Any, codecs: Any, threads: Optional[int]) -> Scanned:
    if isinstance(data, (str, os.PathLike, h5py.File, h5py.Dataset)):
        return scan(data, requirement, codecs, threads=threads)
    frames = np.asarray(data)
    if frames.ndim == 0 or frames.size == 0:
        raise ValueError("Auto(data=…) is an array without elements")
    if frames.ndim == 2:
        frames = frames[np.newaxis]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "data.h5")
        with h5py.File(path, "w") as file:
            chunks = (1, *frames.shape[1:]) if frames.ndim > 1 else True
            file.create_dataset("data", data=frames, chunks=chunks)
        return scan(path, requirement, codecs, threads=threads)
