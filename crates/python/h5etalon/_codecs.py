"""One class for each codec of the table: `Noise(sigma=0.5)`, `Quantise(abs=0.01)`, … A new codec appears by itself."""

import inspect
from difflib import get_close_matches
from typing import Any, Dict, List, Tuple, Type

from . import _native
from ._filters import Etalon, split_spec

_TYPES = {"integer": int, "number": float, "choice": str, "flag": bool, "values": list, "text": str}


class Codec(Etalon):
    """Filter 59297 with one codec; its keyword arguments are the keys of the codec's SPEC."""

    codec: str
    lossless: bool
    params: Dict[str, Dict[str, Any]]
    further_arguments: List[inspect.Parameter] = []
    """Keyword arguments beside the keys."""
    further_doc = ""
    """What they are."""
    __hash__ = Etalon.__hash__

    def __init__(self, **settings: Any) -> None:
        for key in settings:
            if key not in self.params:
                raise TypeError(_unknown(type(self).__name__, key, list(self.params)))
        given = {key: value for key, value in settings.items() if value is not None}
        _check_bounds(self.codec, given)
        pairs = [(self.params[key]["name"], _text(value)) for key, value in given.items()]
        text, _, options = _native.user_values(self.codec, pairs)
        super(Etalon, self).__init__(tuple(options), given, text)

    @classmethod
    def _from_filter_options(cls, filter_options: Tuple[int, ...]) -> "Codec":
        text = _native.spec_of(cls.filter_id, list(filter_options))
        if text is None or split_spec(text)[0] != cls.codec:
            raise ValueError("not options of codec %s: %r" % (cls.codec, tuple(filter_options)))
        return cls.from_spec(text)

    @classmethod
    def from_spec(cls, spec: str) -> "Codec":
        """From `codec:key=value,…`."""
        python_names = {param["name"]: key for key, param in cls.params.items()}
        pairs = split_spec(spec)[1]
        return cls(**{python_names[name]: _value(cls.params[python_names[name]], text) for name, text in pairs})


def _check_bounds(codec: str, given: Dict[str, Any]) -> None:
    """Bounds of `auto` are those of quantise, or that of noise."""
    of_quantise = [key for key in given if key in ("abs", "rel", "pw", "psnr", "levels", "bits", "otsu")]
    if codec == "auto" and of_quantise and "sigma" in given:
        raise ValueError("auto: %s is a bound of quantise and sigma one of noise; give one of them" % of_quantise[0])


def _unknown(class_name: str, key: str, keys: List[str]) -> str:
    near = get_close_matches(key, keys, 1)
    meant = "; did you mean %s?" % near[0] if near else ""
    return "%s has no argument %s%s It takes: %s" % (class_name, key, meant or ".", ", ".join(keys))


def _text(value: Any) -> str:
    """A value in SPEC notation."""
    if isinstance(value, str):
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple, set)):
        return ";".join(_text(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(param: Dict[str, Any], text: str) -> Any:
    """The inverse, in Python's types."""
    if param["kind"] == "flag":
        return text == "true"
    if param["kind"] == "values":
        return text.split(";")
    return _TYPES[param["kind"]](text)


def python_name(name: str) -> str:
    """A codec's key as a keyword argument."""
    return name.replace("-", "_")


def class_name(codec: str) -> str:
    """`sigma-clip` as SigmaClip."""
    return "".join(part.capitalize() for part in codec.split("-"))


def _allowed(param: Dict[str, Any]) -> str:
    """What a key takes, in words."""
    if "choices" in param:
        return "one of " + ", ".join(param["choices"])
    if "range" in param:
        return "%g to %g" % tuple(param["range"])
    return {"flag": "True or False", "values": "a list"}.get(param["kind"], "text")


def _docstring(row: Dict[str, Any], params: Dict[str, Dict[str, Any]]) -> str:
    lines = ["%s. %s." % (row["about"].rstrip("."), "Lossless" if row["lossless"] else "Lossy, with a certificate"), ""]
    for key, param in params.items():
        default = "; default %s" % param["default"] if param["default"] else ""
        lines.append(":param %s: %s (%s%s)" % (key, param["about"], _allowed(param), default))
    lines.append(":raises ValueError: for values that are out of range, or do not go together.")
    return "\n".join(lines)


# With a bound, `auto` is one of these.
_OF_AUTO = ("quantise", "noise")


def _params(row: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    """The keys that a codec takes, by keyword argument."""
    rows = [row]
    if row["name"] == "auto":
        rows += [other for other in _native.codecs() if other["name"] in _OF_AUTO]
    params: Dict[str, Dict[str, Any]] = {}
    for param in (param for one in rows for param in one["params"]):
        params.setdefault(python_name(param["name"]), param)
    return params


def make_class(row: Dict[str, Any], base: Type[Codec] = Codec) -> Type[Codec]:
    """The class of a codec of the table, derived from `base`."""
    params = _params(row)
    arguments = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_TYPES[param["kind"]])
        for key, param in params.items()
    ]
    arguments += base.further_arguments
    attributes = {
        "codec": row["name"],
        "filter_name": row["name"],
        "lossless": row["lossless"],
        "params": params,
        "__doc__": _docstring(row, params) + base.further_doc,
        "__module__": "h5etalon",
        "__signature__": inspect.Signature(arguments),
    }
    return type(class_name(row["name"]), (base,), attributes)
