"""Files to examples and batches: GIFs and their names, descriptions, features, splits."""
