"""What is wrong with a collection of GIFs and descriptions."""
