"""Public vision-language models of transformers."""
