"""Fail if a finished demo falls short of what the project promises of it."""

import json
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
command = ["gifdesc", "evaluate", "--json"]
for name in ("features", "descriptions", "model"):
    command += [f"--{name}", str(folder / name)]
scores = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
exact, blind = scores["exact_match"], scores["blind"]["exact_match"]
print(f"exact match {exact:.3f}, blind {blind:.3f}, {scores['num_examples']} held-out GIFs")
if exact < 0.90 or blind > 0.10:
    sys.exit(
        "the demo falls short: exact match of 0.90 or more and at most 0.10 blind are promised"
    )
if not (folder / "captions.png").stat().st_size:
    sys.exit("the demo drew no picture")
page = (folder / "report.html").read_text(encoding="utf-8")
if page.count("data:image/webp") != scores["num_examples"]:
    sys.exit("the demo's page does not show every held-out GIF")
