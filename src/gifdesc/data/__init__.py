"""What is on disk to examples and batches: GIFs and their names, descriptions, features, splits."""
