"""Download lists of GIFs: the files, what became of each, and their descriptions."""
