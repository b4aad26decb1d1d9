"""Backbones: frozen networks from frames to vectors, each with its preprocessing and weights."""
