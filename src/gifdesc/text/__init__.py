"""Captions to tokens and back, and what is peculiar to a language."""
