"""Where the work of `extract`, `caption` and `describe` runs: this process, or a Ray cluster."""
