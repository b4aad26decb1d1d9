"""Find GIFs: by words with a model, by another GIF, or in captions that were made before."""
