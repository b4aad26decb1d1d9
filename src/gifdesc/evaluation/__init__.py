"""Scores with intervals, baselines and controls."""
