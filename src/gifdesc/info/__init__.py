"""What a folder or a file is: models, features, GIFs, captions, descriptions."""
