"""What users hand over as numbers of numpy, as JSON has it."""

import json
from typing import Any


def plain(value: Any) -> Any:
    """A number or an array of numpy as JSON has it, for `default` of `json.dumps`.

    :raises TypeError: for anything else.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError("JSON has no %s: give numbers, texts, lists and dictionaries" % type(value).__name__)


def as_json(value: Any) -> str:
    """The JSON of a value in which numbers and arrays may be numpy's."""
    return json.dumps(value, default=plain)
