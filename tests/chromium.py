"""Pages as a browser shows them: Chromium without a window and without a network."""

import json
import re

from programs import NOWHERE, call, require

# The browser's clock runs ahead while it waits, so that this is no time of ours.
BUDGET_MS = 20_000


def chromium(page, profile, *options):
    """Loads a page and returns the finished browser."""
    [program] = require("chromium")
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
    # No address but that of the page itself is found.
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=%s" % profile]
    return call([program, *quiet, *offline, "--virtual-time-budget=%d" % BUDGET_MS, *options, page], NOWHERE)


def checked(path, profile, *options):
    """The page's own count of errors, what it says of its drawings, and the document that its scripts left."""
    dom = chromium("file://%s#check" % path, profile, "--dump-dom", *options).stdout
    errors = int(re.search(r'<html[^>]* data-errors="(\d+)"', dom).group(1))
    said = re.search(r'<html[^>]* data-checked="([^"]*)"', dom)
    assert said, "the page did not finish drawing, with %d errors" % errors
    return errors, json.loads(said.group(1).replace("&quot;", '"')), dom


def printed(path, profile, pdf):
    """The bytes of the page as printed."""
    chromium("file://%s" % path, profile, "--print-to-pdf=%s" % pdf, "--no-pdf-header-footer")
    return pdf.read_bytes()
