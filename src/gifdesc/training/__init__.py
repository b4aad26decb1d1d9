"""One training run: epochs, steps, self-critical training, resuming."""
