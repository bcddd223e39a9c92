"""Figures with matplotlib, drawn as `etalon report` draws them.

Ratio beside error of several codecs, what a scan tried beside its limits, curves of metrics, histograms of errors, and
original, decoded and error side by side.
Each function takes axes to draw into, or makes a figure, and returns the axes.
"""

import re
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native

if TYPE_CHECKING:
    from ._measures import Measured
    from ._scan import Scanned

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009070", "#b8579b", "#3a9bd6", "#b57f00", "#6d4ea3", "#5f6670")
INK, SOFT = "#1d2126", "#5c646e"
# A picture of at most so many values is a map of codes, of which none may be cut off.
_MOST_CODES = 16
_MOST_BARS = 200
_FIRST_ERRORS = ("psnr", "rmse", "max_sigma_error", "max_abs_error")


def rate_distortion(rows: Iterable[Mapping[str, Any]], error: Optional[str] = None, axes: Any = None) -> Any:
    """Draws the error of codecs over their ratio; codecs of one family are joined by a line.

    :param rows: of each, `codec`, `ratio` (raw / stored) and numbers of metrics, beside these or under `metrics`: the
        `datasets` of `etalon measure --json`, or the rows of a DataFrame.
    :param error: which number; PSNR, RMSE or the largest error by default.
    :raises ValueError: where no row has this number.
    """
    rows = _records(rows)
    if error is None:
        error = next((name for name in _FIRST_ERRORS if any(name in _numbers(row) for row in rows)), _FIRST_ERRORS[0])
    points = [(str(row["codec"]), float(row["ratio"]), float(_numbers(row).get(error, np.nan))) for row in rows]
    shown = [point for point in points if np.isfinite(point[2])]
    if not shown:
        raise ValueError("no row has a finite number %s" % error)
    axes = _axes(axes)
    log = _suits_log([y for _, _, y in shown], 50)
    # Zero, which a lossless codec has, stands at the lower end of an axis of powers of ten.
    floor = 10.0 ** (np.floor(np.log10(min(y for _, _, y in shown if y > 0))) - 1) if log else -np.inf
    families: Dict[str, List[Tuple[float, float]]] = {}
    for index, (codec, ratio, y) in enumerate(shown):
        if y < floor:
            axes.annotate("0", (ratio, floor), (0, 6), textcoords="offset points", ha="center", color=SOFT)
        y = max(y, floor)
        families.setdefault(codec.split(":")[0], []).append((ratio, y))
        axes.plot([ratio], [y], "o", color=COLOURS[index % len(COLOURS)], label=codec, zorder=3)
    for family in families.values():
        if len(family) > 1:
            axes.plot(*zip(*sorted(family)), color=SOFT, linewidth=1, linestyle=(0, (3, 4)), zorder=1)
    if _suits_log([ratio for _, ratio, _ in shown], 12):
        axes.set_xscale("log")
    if log:
        axes.set_yscale("log")
    axes.set(xlabel="ratio, raw / stored", ylabel=with_unit(error), title="ratio and %s" % error.replace("_", " "))
    axes.legend(fontsize="small")
    return axes


def _records(rows: Any) -> List[Mapping[str, Any]]:
    """Rows of a DataFrame, of the JSON of the command, or as they are."""
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        rows = (rows if "codec" in rows.columns else rows.reset_index()).to_dict("records")
    if isinstance(rows, Mapping):
        rows = rows["datasets"]
    return [row for row in rows if row.get("ratio") is not None]


def _numbers(row: Mapping[str, Any]) -> Dict[str, Any]:
    """The numbers of a row, those of its metrics first."""
    both = {**row, **(row.get("metrics") or {})}
    return {name: value for name, value in both.items() if isinstance(value, (int, float, np.number))}


def limit(found: "Scanned", name: Optional[str] = None, axes: Any = None) -> Any:
    """Draws the number that a limit is on over the ratio of every setting that a scan tried.

    Settings of one codec are joined by a line. The limit is a grey line, settings that break one are hollow, and the chosen
    one has a ring around it.

    :param name: which number, `"ssim"`; the first that has a limit by default.
    :raises ValueError: for a number without a limit, naming those that have one.
    """
    demands = _limits(found)
    name = next(iter(demands), "") if name is None else name
    if name not in demands:
        raise ValueError("no limit on %s; there are limits on: %s" % (name, ", ".join(demands) or "nothing"))
    axes = _axes(axes)
    families: Dict[str, List[Tuple[float, float, bool, bool]]] = {}
    for point in found["points"]:
        y = next((one["measured"] for one in point["verdicts"] if one["value"] == name), None)
        if y is not None and np.isfinite(y):
            row = (float(point["ratio"]), float(y), bool(point["holds"]), point["spec"] == found.spec)
            families.setdefault(point["codec"], []).append(row)
    for index, (codec, rows) in enumerate(families.items()):
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(*zip(*[row[:2] for row in sorted(rows)]), color=colour, linewidth=1, linestyle=(0, (3, 4)), zorder=1)
        axes.plot([], [], "o", color=colour, label=codec)
        for ratio, y, holds, is_chosen in rows:
            axes.plot([ratio], [y], "o", color=colour, markerfacecolor=colour if holds else "none", zorder=3)
            if is_chosen:
                axes.plot([ratio], [y], "o", color=INK, markerfacecolor="none", markersize=12, zorder=4)
    axes.plot([], [], "o", color=INK, markerfacecolor="none", markersize=12, label=_in_lines(found.spec))
    for least, bound in demands[name]:
        text = "limit %s %.4g" % ("≥" if least else "≤", bound)
        axes.axhline(bound, label=text, zorder=2, **_style("limit", 0))
    shown = [row for rows in families.values() for row in rows]
    if _suits_log([row[0] for row in shown], 12):
        axes.set_xscale("log")
    if _suits_log([*(row[1] for row in shown), *(bound for _, bound in demands[name])], 50):
        axes.set_yscale("log")
    axes.set(xlabel="ratio, raw / stored", ylabel=with_unit(name), title="ratio and %s" % name.replace("_", " "))
    axes.legend(fontsize="small")
    return axes


def _in_lines(spec: str, longest: int = 24) -> str:
    """A SPEC broken behind its commas, so that a legend leaves the points to be seen."""
    lines = [""]
    for part in re.findall(r"[^,]+,?", spec):
        if lines[-1] and len(lines[-1]) + len(part) > longest:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def limit_figures(found: "Scanned") -> Any:
    """A figure with all limits of a scan."""
    from matplotlib import pyplot

    names = list(_limits(found))
    columns = min(len(names), 3) or 1
    lines = -(-len(names) // columns) or 1
    figure = pyplot.figure(figsize=(max(5.5, 4.4 * columns), 4 * lines), layout="constrained")
    for index, name in enumerate(names):
        limit(found, name, figure.add_subplot(lines, columns, index + 1))
    return figure


def _limits(found: "Scanned") -> Dict[str, List[Tuple[bool, float]]]:
    """Limits that counted, by number: whether it is a lower one, and the limit."""
    demands: Dict[str, List[Tuple[bool, float]]] = {}
    for one in next((point["verdicts"] for point in found["points"] if point["verdicts"]), []):
        demands.setdefault(one["value"], []).append((bool(one["at_least"]), float(one["limit"])))
    return demands


def curve(measured: "Measured", name: str, axes: Any = None) -> Any:
    """Draws a curve of a metric: FRC, I(q), g2, a power spectrum.

    :raises ValueError: for a curve that is not there, naming those that are.
    """
    if name not in measured.curves:
        raise ValueError("no curve %s; there are: %s" % (name, ", ".join(measured.curves) or "none"))
    axes = _axes(axes)
    found = measured.curves[name]
    # Lag 0 of a correlation holds the counting noise, or is 1, and would set the axis alone.
    first = int(found["x_label"].startswith("lag ") and len(found["x"]) > 1 and found["x"][0] == 0)
    x = found["x"][first:]
    lines = {label: values[first:] for label, values in found["y"].items()}
    for index, (label, values) in enumerate(lines.items()):
        axes.plot(x, values, label=label.replace("_", " "), **_style(label, index))
    is_correlation = any(word in name for word in ("frc", "fsc", "mtf"))
    if _is_geometric(x):
        axes.set_xscale("log")
    if not is_correlation and _suits_log(np.concatenate(list(lines.values())), 300):
        axes.set_yscale("log")
    curves = [
        value for label, values in lines.items() if not _is_threshold(label) for value in values if np.isfinite(value)
    ]
    if is_correlation and curves and max(curves) <= 1.2:
        axes.set_ylim(min(0, *curves), 1.04)
    axes.set(xlabel=found["x_label"], ylabel=found["y_label"], title=name.replace("_", " "))
    axes.legend(fontsize="small")
    return axes


def _is_threshold(label: str) -> bool:
    return "threshold" in label or "limit" in label


def _style(label: str, index: int) -> Dict[str, Any]:
    """Thresholds are thin and grey, what is of the original is black."""
    if _is_threshold(label):
        return {"color": SOFT, "linewidth": 1, "linestyle": [(0, (4, 4)), (0, (1, 3)), (0, (8, 4))][len(label) % 3]}
    if "original" in label:
        return {"color": INK, "linewidth": 1.3}
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": "--" if "decoded" in label else "-"}


def figures(measured: "Measured") -> Any:
    """A figure with all curves and pictures of a result.

    :raises ValueError: where it has numbers only.
    """
    from matplotlib import pyplot

    pictures = _sets(measured.images)
    if not measured.curves and not pictures:
        raise ValueError(
            "this result has numbers only: ask for metrics with curves or pictures, as list_metrics() says"
        )
    lines = -(-len(measured.curves) // 3)
    figure = pyplot.figure(figsize=(12, 3.4 * (lines + len(pictures))), layout="constrained")
    places = figure.add_gridspec(lines + len(pictures), 3)
    for index, name in enumerate(measured.curves):
        curve(measured, name, figure.add_subplot(places[index // 3, index % 3]))
    for line, (name, images) in enumerate(pictures.items()):
        panels = [figure.add_subplot(places[lines + line, column]) for column in range(len(images))]
        _pictures(list(images.items()), panels, name)
    return figure


def _sets(images: Mapping[str, Mapping[str, Any]]) -> Dict[str, Dict[str, NDArray[Any]]]:
    """Pictures that belong together, by what their names have in common; at most three to a line."""
    sets: Dict[str, Dict[str, NDArray[Any]]] = {}
    for name, image in images.items():
        stem = name
        for role in ("original", "decoded", "error", "change", "difference", "residual"):
            if name.endswith(role):
                stem = name[: -len(role)].rstrip("_ -")
        same = sets.setdefault(stem, {})
        (same if len(same) < 3 else sets.setdefault(name, {}))[name] = image["values"]
    order = ("original", "decoded")
    rank = {
        stem: sorted(same, key=lambda name: [not name.endswith(role) for role in order]) for stem, same in sets.items()
    }
    return {stem: {name: same[name] for name in rank[stem]} for stem, same in sets.items()}


def triplet(
    original: ArrayLike, decoded: ArrayLike, frame: Optional[int] = None, axes: Optional[Sequence[Any]] = None
) -> Any:
    """Draws original, decoded and error of a frame beside each other.

    Original and decoded share a scale from the 0.2nd to the 99.8th percentile, of square roots where a few pixels are
    bright; the scale of the error is symmetric about zero.

    :param frame: which frame of a stack; the middle one by default.
    :param axes: three axes; a new figure by default.
    :raises ValueError: for arrays of different shapes.
    """
    first, second = _image(original, frame), _image(decoded, frame)
    if first.shape != second.shape:
        raise ValueError("the images have shapes %s and %s" % (first.shape, second.shape))
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")[1]
    _pictures([("original", first), ("decoded", second), ("error", second - first)], list(axes), "")
    return axes


def _image(array: ArrayLike, frame: Optional[int]) -> NDArray[Any]:
    stack = np.asarray(array)
    stack = stack.reshape((-1,) + ((1, 1) + stack.shape)[-2:])
    return np.asarray(stack[len(stack) // 2 if frame is None else frame], float)


def _pictures(images: Sequence[Tuple[str, NDArray[Any]]], axes: Sequence[Any], title: str) -> None:
    from matplotlib import colors

    is_error = [not name.endswith(("original", "decoded")) and len(images) > 1 for name, _ in images]
    values = np.concatenate([image[np.isfinite(image)] for (_, image), error in zip(images, is_error) if not error])
    shared = scale(values)
    for (name, image), error, panel in zip(images, is_error, axes):
        if error:
            end = _end_of_differences(image)
            look = {"cmap": "RdBu_r", "vmin": -end, "vmax": end}
        else:
            low, high, power = shared
            look = {"cmap": "viridis", "norm": colors.PowerNorm(power, low, high, clip=True)}
        shown = panel.imshow(image, interpolation="nearest", **look)
        ticks = [float("%.2g" % shown.norm.inverse(share)) for share in (0, 0.25, 0.5, 0.75, 1)]
        panel.figure.colorbar(shown, ax=panel, shrink=0.85, ticks=ticks)
        panel.set(title=name.replace("_", " ") if title in name else "%s: %s" % (title, name), xticks=[], yticks=[])


def scale(values: NDArray[Any]) -> Tuple[float, float, float]:
    """Low end, high end and exponent of the scale of a picture: 0.5 for a few bright pixels on a dark ground, else 1."""
    values = np.sort(values)
    if not len(values):
        return 0.0, 1.0, 1.0
    least, most = float(values[0]), float(values[-1])
    if len(np.unique(values)) <= _MOST_CODES:
        return least, most, 1.0
    low, middle, high = (float(values[int(part * (len(values) - 1))]) for part in (0.002, 0.5, 0.998))
    if high <= low:
        low, high = least, most
    is_skewed = least >= 0 and high > 8 * middle
    return (least, high, 0.5) if is_skewed else (low, high, 1.0)


def _end_of_differences(image: NDArray[Any]) -> float:
    sizes = np.sort(np.abs(image[np.isfinite(image)]))
    if not len(sizes):
        return 1.0
    return float(sizes[int(0.998 * (len(sizes) - 1))] or sizes[-1] or 1.0)


def error_histogram(original: ArrayLike, decoded: ArrayLike, axes: Any = None) -> Any:
    """Draws how many elements have which error, decoded − original: a bar for each where errors are a few integers.

    :raises ValueError: for arrays of different shapes.
    """
    first, second = np.asarray(original), np.asarray(decoded)
    if first.shape != second.shape:
        raise ValueError("the arrays have shapes %s and %s" % (first.shape, second.shape))
    error = second.astype(float).ravel() - first.astype(float).ravel()
    error = error[np.isfinite(error)]
    axes = _axes(axes)
    low, high = (error.min(), error.max()) if len(error) else (0.0, 0.0)
    are_integers = first.dtype.kind in "iub" and high - low <= _MOST_BARS
    edges: Any = np.arange(low - 0.5, high + 1) if are_integers else 101
    axes.hist(error, edges, color=COLOURS[0])
    if len(error):
        axes.set_yscale("log")
    axes.set(xlabel="decoded − original", ylabel="elements", title="errors")
    return axes


def with_unit(name: str) -> str:
    """The name of a number with its unit, `psnr / dB`."""
    units = {value: unit for row in _native.metrics() for value, unit in row["values"]}
    unit = units.get(name, "1")
    return name.replace("_", " ") + ("" if unit in ("1", "data") else " / " + unit)


def _axes(axes: Any) -> Any:
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(layout="constrained")[1]
    return axes


def _suits_log(values: Iterable[float], factor: float) -> bool:
    """Whether an axis of these values is read better in powers of ten."""
    finite = [value for value in values if np.isfinite(value)]
    positive = [value for value in finite if value > 0]
    return len(positive) > 1 and min(finite) >= 0 and max(positive) / min(positive) > factor


def _is_geometric(x: Sequence[float]) -> bool:
    """Lags and radii that grow by factors."""
    positive = [value for value in x if value > 0]
    if len(positive) < 6:
        return False
    return positive[-1] / positive[0] > 30 and positive[len(positive) // 2] < 0.15 * positive[-1]
