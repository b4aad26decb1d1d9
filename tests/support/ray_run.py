"""A run of `SmallWork` on Ray, as a process that a test may kill.

Usage: ray_run.py FOLDER SECONDS NAMES...

It writes the id of each finished chunk to stdout, and at the end the names with their errors.
"""

import json
import os
import sys
from pathlib import Path

from gifdesc.engines.chunks import split_into_chunks
from gifdesc.engines.ordering import map_in_order
from gifdesc.engines.ray_engine import open_ray
from gifdesc.engines.results import ChunkResults
from small_work import SmallWork, rows_named


def main() -> None:
    """Run, and print the results in order."""
    folder, seconds, *names = sys.argv[1:]
    for name in ("seen", "chunks"):
        Path(folder, name).mkdir(exist_ok=True)
    work = SmallWork(str(Path(folder, "seen")), float(seconds))
    results = ChunkResults(Path(folder, "chunks"))
    chunks = split_into_chunks(rows_named(*names), 4, work.settings)
    found = []
    with open_ray(os.environ.get("RAY_ADDRESS")) as engine:
        for chunk, records in map_in_order(engine, work, chunks, results):
            sys.stdout.write(f"{chunk.id}\n")
            sys.stdout.flush()
            found += [[record["name"], record["error"]] for record in records]
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
