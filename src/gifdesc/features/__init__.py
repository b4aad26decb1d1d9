"""Frames to vectors to feature files: preprocessing, backbones, runtimes, extraction."""
