"""Pages that are written from the command's tables are those of this command."""

import sys

from etalon_command import program
from programs import REPO

sys.path.insert(0, str(REPO / "scripts"))
import metrics_page  # noqa: E402


def test_the_page_of_metrics_is_that_of_this_command():
    assert metrics_page.PAGE.read_text() == metrics_page.page(program()), "run scripts/metrics_page.py"
