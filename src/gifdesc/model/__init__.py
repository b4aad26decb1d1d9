"""Vectors to words: the network, decoding, the model folder."""
