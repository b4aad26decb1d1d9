"""The forms in which files contain captions: gifdesc's own, and those of public data sets."""
