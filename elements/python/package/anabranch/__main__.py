"""python3 -m anabranch check my_filter.py: tries a filter; describe: its parameters as JSON; new: writes one."""

import argparse
import json
import os
import sys

TEMPLATES = ("blobs", "edges", "tracker")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python3 -m anabranch", description="Video filters in Python.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="run a filter on test pictures: parameters, results, milliseconds")
    check.add_argument("file")
    check.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter")
    check.add_argument("--frames", type=int, default=60)
    check.add_argument("--size", default="640x480", metavar="WxH", help="of the test picture")
    check.add_argument("--picture", metavar="FILE.npy", help="an array (height, width, 3), RGB, in place of the test picture")
    describe = commands.add_parser("describe", help="what a filter declares, as JSON")
    describe.add_argument("file")
    new = commands.add_parser("new", help="write a new filter from a template")
    new.add_argument("name")
    new.add_argument("--template", choices=TEMPLATES, default="blobs")
    options = parser.parse_args()
    try:
        return run(options)
    except Exception as error:
        from .worker import _explain

        print(f"error: {_explain(error, getattr(options, 'file', ''))}", file=sys.stderr)
        return 2


def run(options: argparse.Namespace) -> int:
    """Carries out what was asked for."""
    if options.command == "new":
        path = options.name.replace("-", "_") + ".py"
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates", options.template + ".py")
        with open(source, encoding="utf-8") as template, open(path, "x", encoding="utf-8") as target:
            target.write(template.read())
        print(path)
        return 0
    from .check import check, describe, value

    if options.command == "describe":
        print(json.dumps(describe(options.file)))
        return 0
    values = {}
    for item in options.set:
        name, equals, text = item.partition("=")
        if not equals:
            raise SystemExit(f"--set {item}: write NAME=VALUE")
        values[name] = value(text)
    given = None
    if options.picture:
        import numpy as np

        given = np.load(options.picture)
    width, _, height = options.size.partition("x")
    return check(options.file, values, max(1, options.frames), int(width), int(height), given)


if __name__ == "__main__":
    sys.exit(main())
