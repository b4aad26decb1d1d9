"""The demo: the world that it draws, and a picture of its captions."""
