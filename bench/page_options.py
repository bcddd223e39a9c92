"""What the benches that write a page of docs/ are asked on the command line, and where their text goes."""

import argparse

QUICK_RUNS = 2


def page_options(doc, runs):
    """`--runs` (`--quick` has few), `--quick` and `--write`."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.write = QUICK_RUNS, False
    return options


def put_page(options, page, lines):
    """Writes the page, or prints it."""
    text = "\n".join(lines) + "\n"
    if options.write:
        page.write_text(text)
    else:
        print(text)
