"""`python -m h5etalon campaign`: a campaign from a shell, or from a job array of Slurm."""

import argparse
import json
import sys
from typing import List, Optional

from ._campaign import Campaigned, campaign

_SINGLE = ("codec", "mode", "stream", "profile", "against", "require")
_SEVERAL = {"codecs": "codec", "metrics": "metrics", "limits": "limit", "datasets": "dataset"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m h5etalon", description=__doc__)
    face = parser.add_subparsers(dest="subcommand", required=True).add_parser(
        "campaign",
        help="recompress, measure or verify thousands of files",
        epilog="Exit codes: 0 done; 1 a check failed; 2 wrong arguments; 3 files failed, which the next run tries again.",
    )
    face.add_argument("files", nargs="+", help="files, folders, or patterns in quotes, as in 'raw/**/*.h5'")
    face.add_argument("--task", choices=("recompress", "measure", "verify"), default="recompress")
    face.add_argument("--out", required=True, metavar="DIR", help="folder of the results")
    face.add_argument("--codec", action="append", metavar="SPEC", help="as in noise:sigma=0.5; measure takes several")
    face.add_argument("--dataset", action="append", metavar="GLOB", help="only datasets whose path matches")
    face.add_argument("--metrics", metavar="NAME,…", help="of measure, as are --profile and --limit")
    face.add_argument("--profile", metavar="P")
    face.add_argument("--limit", action="append", metavar="NAME<=X")
    face.add_argument("--require", metavar="R.toml", help="of verify: limits that must be kept, or a profile")
    face.add_argument("--against", metavar="DIR", help="of measure and verify: the originals")
    face.add_argument("--mode", choices=("max", "standard"), help="of recompress, as is --stream")
    face.add_argument("--stream", metavar="SPEC")
    face.add_argument("--shard", default="1/1", metavar="I/N", help="only part I of N of the files")
    face.add_argument("--scheduler", metavar="ADDRESS", help="of dask, as in tcp://head:8786, or: threads")
    face.add_argument("--workers", type=int, metavar="N", help="on this machine [default: one per processor]")
    face.add_argument("--threads", type=int, default=1, metavar="N", help="of each worker [default: 1]")
    face.add_argument("--retries", type=int, default=3, metavar="N", help="when workers die [default: 3]")
    face.add_argument("--catalogue", metavar="OUT.parquet", help="bring this table up to date with the results")
    face.add_argument("--force", action="store_true", help="do everything again")
    face.add_argument("--progress", action="store_true", help="show a bar of tqdm")
    return parser


def main(words: Optional[List[str]] = None) -> int:
    """Runs a campaign and prints a line of JSON with its counts; errors of files go to standard error."""
    given = vars(_parser().parse_args(words))
    options = {name: given[name] for name in _SINGLE if name != "codec" and given[name] is not None}
    options.update(
        {name: given[flag] for name, flag in _SEVERAL.items() if name != "codecs" and given[flag] is not None}
    )
    codecs = given["codec"] or []
    if given["task"] == "measure":
        options["codecs"] = codecs
    elif len(codecs) == 1:
        options["codec"] = codecs[0]
    try:
        common = ("scheduler", "catalogue", "out", "workers", "threads", "shard", "retries", "force", "progress")
        found = campaign(given["files"], given["task"], **{name: given[name] for name in common}, **options)
    except (TypeError, ValueError, ImportError) as error:
        print("h5etalon: %s" % error, file=sys.stderr)
        return 2
    return _tell(found)


def _tell(found: Campaigned) -> int:
    for row in found.rows:
        if row["status"] == "failed":
            print("%s: %s" % (row["file"], row["error"]), file=sys.stderr)
        elif row.get("holds") is False:
            print("%s: does not hold, see %s" % (row["file"], row["output"]), file=sys.stderr)
    counts = {name: getattr(found, name) for name in ("done", "skipped", "failed", "results", "catalogue")}
    print(json.dumps(counts))
    return 3 if found.failed else 0 if found.holds else 1


if __name__ == "__main__":
    sys.exit(main())
