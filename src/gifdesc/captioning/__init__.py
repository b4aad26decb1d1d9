"""GIFs to captions to lines, files and sidecars."""
