"""Tables of HTML, as Jupyter shows them: they take the page's colours, and nothing is fetched."""

import math
from html import escape
from typing import Iterable, Optional, Sequence


def number(value: Optional[float]) -> str:
    """A number in six digits; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return "∞" if value == math.inf else "%.6g" % value


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str] = ()) -> str:
    """A table whose first column is text and whose others are numbers, and sentences below it."""
    cells = "".join("<tr>%s</tr>" % "".join(_cell("td", text, at == 0) for at, text in enumerate(row)) for row in rows)
    head = "<tr>%s</tr>" % "".join(_cell("th", text, at == 0) for at, text in enumerate(heads))
    below = "".join("<p>%s</p>" % escape(note) for note in notes)
    return "<table><thead>%s</thead><tbody>%s</tbody></table>%s" % (head, cells, below)


def _cell(kind: str, text: str, is_left: bool) -> str:
    return '<%s style="text-align:%s">%s</%s>' % (kind, "left" if is_left else "right", escape(text), kind)
