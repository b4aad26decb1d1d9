"""English words that a finished sentence does not end in."""

from __future__ import annotations

DANGLING_WORDS = (
    *("a", "an", "the", "every", "each"),
    *("my", "your", "his", "its", "our", "their", "whose"),
    *("and", "or", "but", "nor", "than", "because", "while", "if", "whether", "although"),
    *("of", "to", "at", "from", "with", "for", "into", "onto", "toward", "towards", "upon"),
    *("as", "who", "which", "during", "between", "among", "against", "until", "via", "per"),
    *("am", "is", "are", "was", "were", "be", "been", "has", "very"),
    *(",", ";", ":", "-", "\u2013", "\u2014", "/", "(", "[", "&", "'"),
)
"""Articles, possessives, conjunctions, prepositions, auxiliaries, and the marks that join.

After them something must follow (Huddleston & Pullum 2002, The Cambridge Grammar of the English
Language, on determiners, prepositions and coordination). Words that end a sentence as particles or
pronouns are not among them: a man looks up, a cat jumps in, drives by, throws it, kisses her, eats
some.
"""

ENGLISH_WORDS = ("the", "and", "with")
"""A vocabulary with one of these words is taken for English. For any other the list is not used:
German sentences end in `an` and `was`."""
