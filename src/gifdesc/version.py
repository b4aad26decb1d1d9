"""The version of gifdesc."""

__version__ = "0.2.0"
