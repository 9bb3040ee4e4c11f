#!/usr/bin/env python3
"""Counts the most frequent words of files: ./tool.py README.md"""

import re
import sys
from collections import Counter


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: ./tool.py FILE...")
    words = Counter()
    for path in sys.argv[1:]:
        with open(path) as file:
            words.update(re.findall(r"[a-z]{4,}", file.read().lower()))
    for word, count in words.most_common(5):
        print(f"{word:<12}{count:>5}")


class Run:  # what a component exports; a script does not need it
    def run(self):
        main()


if __name__ == "__main__":
    main()
