"""Captions with all that a tokenizer may stumble over, and a vocabulary by hand."""

CAPTIONS = [
    "a man is dancing, then he stops.",
    "the dog doesn't jump; it can't!",
    "she wears a t-shirt and a well-known cap",
    "a café in são paulo",
    'he says "hello there" and waves',
    "a sign reads 'open' (in red)",
    "is it 3.5 metres, or 10:30?",
    "the dogs' tails wag",
    "i'm sure they'll come, we've seen it",
    "a red/blue light: 50% off, $5",
    "nothing moves…",
]

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "ball", "##s", "un", "##do"]
