"""Progress bars of tqdm, for a person who waits."""

from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Callable, Iterator


@contextmanager
def bar(wanted: bool, total: int, what: str, unit: str = "B") -> Iterator[Callable[[int], Any]]:
    """A bar that what is yielded moves on by so many units; without one, that does nothing.

    :raises ImportError: where a bar is wanted and tqdm is missing.
    """
    if not wanted:
        yield lambda amount: None
        return
    if find_spec("tqdm") is None:
        raise ImportError("progress=True needs tqdm: pip install h5etalon[progress]")
    # In a notebook tqdm draws with ipywidgets, and fails where these are missing.
    tqdm = import_module("tqdm.auto" if find_spec("ipywidgets") else "tqdm.std").tqdm
    with tqdm(total=total, desc=what, unit=unit, unit_scale=True) as shown:
        yield shown.update
