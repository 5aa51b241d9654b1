"""Writes what Pillow makes of a split, as raw bytes, for `card.node.ts --pillow`: is serving's resize the same one?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pictures import load_split, serving_pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with <split>.tar and classes.json")
    parser.add_argument("--split", default="field")
    parser.add_argument("--short", type=int, default=176)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    classes = json.loads((args.data / "classes.json").read_text())
    names = [item["name"] for item in sorted(classes, key=lambda item: item["id"])]
    pictures = load_split(args.data / f"{args.split}.tar", names)
    args.out.write_bytes(serving_pixels(pictures, args.short, args.side).numpy().tobytes())


if __name__ == "__main__":
    main()
