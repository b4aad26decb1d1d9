"""The version of gifdesc."""

__version__ = "0.1.0"
