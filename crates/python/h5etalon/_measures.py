"""What a loss does to the science: metrics of two arrays."""

import json
from types import MappingProxyType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native, plot
from ._plain import as_json
from ._progress import bar
from ._show import number, table


class Measured(Dict[str, float]):
    """Numbers by name; those that are not defined for the data are NaN. Jupyter shows it as a table."""

    curves: Dict[str, Dict[str, Any]]
    """By name: x_label, y_label, x, and y, a dictionary of arrays."""
    images: Dict[str, Dict[str, Any]]
    """By name: label, and values, an array of rows × columns."""
    notes: List[str]
    """What a reader of the numbers has to know."""

    def __init__(self, values: Mapping[str, float] = MappingProxyType({})) -> None:
        super().__init__(values)
        self.curves, self.images, self.notes = {}, {}, []

    def to_pandas(self) -> Any:
        """A pandas DataFrame with a row for each number: value, unit, metric. Needs pandas."""
        import pandas

        rows = [
            {"name": name, "value": value, **dict(zip(("unit", "metric"), _origin(name)))}
            for name, value in self.items()
        ]
        return pandas.DataFrame(rows, columns=["name", "value", "unit", "metric"]).set_index("name")

    to_frame = to_pandas

    def plot(self, name: Optional[str] = None, axes: Any = None) -> Any:
        """Draws with matplotlib: a curve into axes, which it returns, or all curves and pictures into a new figure.

        :raises ValueError: for a curve that is not there, naming those that are.
        """
        return plot.figures(self) if name is None else plot.curve(self, name, axes)

    def _repr_html_(self) -> str:
        rows = [(name, number(value), *_origin(name)) for name, value in self.items()]
        drawn = [*self.curves, *self.images]
        more = ["Drawn by .plot(): " + ", ".join(drawn)] if drawn else []
        return table(("number", "value", "unit", "metric"), rows, [*self.notes, *more])


def _origin(name: str) -> Tuple[str, str]:
    """Unit and metric of a number."""
    for row in _native.metrics():
        for value, unit in row["values"]:
            if value == name:
                return unit, row["name"]
    return "", ""


def list_metrics() -> List[Dict[str, Any]]:
    """All metrics: id, name, about, values (name, unit), curves, needs (settings without which one refuses)."""
    return [dict(row) for row in _native.metrics()]


def measure(
    original: ArrayLike,
    decoded: Optional[ArrayLike] = None,
    metrics: Union[str, Sequence[str]] = ("abs", "rmse", "psnr"),
    settings: Optional[Mapping[str, Any]] = None,
    *,
    progress: bool = False,
) -> Measured:
    """Compares what was decoded with the original.

    :param original: frames × rows × columns; fewer dimensions are one frame, more are many.
    :param decoded: of the same shape and type; leave it out for metrics of one array, such as the entropy.
    :param metrics: names of metrics or of profiles, as `etalon metrics` lists them.
    :param settings: as in the TOML file of `etalon measure`: `{"geometry": {"center": [512.3, 498.1]}, "mask": [-1]}`.
        Masked values, and NaN in the original, are left out of every metric, and so are elements that a masked array of numpy
        masks.
    :param progress: show a bar of tqdm, which counts frames; some metrics go over them more than once.
    :return: numbers by name, with `.curves`, `.images`, `.notes`, `.to_pandas()` and `.plot()` (matplotlib).
    :raises ValueError: for a metric that is unknown or refuses the data, saying why.
    """
    masked = _masked(original) | (False if decoded is None else _masked(decoded))
    first = _frames(original)
    second = first if decoded is None else _frames(decoded)
    if second.shape != first.shape:
        raise ValueError("the arrays have shapes %s and %s" % (first.shape, second.shape))
    settings = dict(settings or {})
    if "mask" in settings:
        settings["mask"] = np.atleast_1d(settings["mask"])
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    valid = _valid(first, settings.get("mask", ()), masked)
    done = 0

    with bar(progress, len(first), "measure", "frame") as move:

        def tell(frames: int) -> None:
            nonlocal done
            move(frames - done)
            done = frames

        values, rest = _native.compare(
            first.reshape(-1), second.reshape(-1), first.shape, names, as_json(settings), valid, tell
        )
    return _measured(values, json.loads(rest))


def _frames(array: ArrayLike) -> NDArray[Any]:
    """Frames of native byte order, without copying where that is so already."""
    array = np.asarray(array)
    if array.dtype == bool:
        array = array.view(np.uint8)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    return array.reshape((-1,) + ((1, 1) + array.shape)[-2:])


def _masked(array: ArrayLike) -> Any:
    """Which elements numpy's masked array leaves out."""
    return np.ma.getmaskarray(array) if np.ma.isMaskedArray(array) else np.False_


def _valid(original: NDArray[Any], mask: Sequence[float], masked: NDArray[np.bool_]) -> Optional[NDArray[np.bool_]]:
    """Which elements count, or None for all."""
    is_float = original.dtype.kind == "f"
    if not is_float and not len(mask) and not masked.any():
        return None
    left_out = np.isin(original, np.asarray(mask, float)) if len(mask) else np.zeros(original.shape, bool)
    if masked.any():
        left_out |= masked.reshape(original.shape)
    if is_float:
        left_out |= np.isnan(original)
    return ~left_out.reshape(-1) if left_out.any() else None


def _measured(values: Dict[str, float], rest: Dict[str, Any]) -> Measured:
    measured = Measured(values)
    measured.curves = {name: _curve(curve) for name, curve in rest.get("curves", {}).items()}
    measured.images = {name: _image(image) for name, image in rest.get("images", {}).items()}
    measured.notes = rest.get("notes", [])
    return measured


def _curve(curve: Dict[str, Any]) -> Dict[str, Any]:
    arrays = {name: np.array(values, float) for name, values in curve["y"].items()}
    return {**curve, "x": np.array(curve["x"], float), "y": arrays}


def _image(image: Dict[str, Any]) -> Dict[str, Any]:
    values = np.array(image["values"], float).reshape(image["rows"], image["columns"])
    return {"label": image["label"], "values": values}
