"""Write a vision-language model of 16 units, as the tests of `describe` do: for a process."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

import tiny_models

tiny_models.write_git(Path(sys.argv[1]))
