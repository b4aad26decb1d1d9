"""Captions to tokens and back, and the rules of single languages."""
