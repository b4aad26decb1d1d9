"""Captions of a made-up language.

The language has about 900 words: 19 English function words, and content words of made-up
syllables, as frequent as Zipf's law has it, each topic with its own favourites. A caption is 4 to
20 words by a small grammar ("a gamoy gono is poning in the vunaum").
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random

NUM_WORDS = {"noun": 370, "verb": 210, "adjective": 160, "place": 90, "adverb": 50}
"""Content words of each kind."""

NUM_TOPICS = 12

MIN_WORDS, MAX_WORDS = 4, 20
ENDINGS = {"noun": "", "verb": "ing", "adjective": "y", "place": "um", "adverb": "ly"}
PREPOSITIONS = ("in", "on", "near", "behind", "under", "through", "over", "beside")


def make_words() -> dict[str, list[str]]:
    """The content words of each kind, the same ones every time."""
    onsets = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "st", "pr")
    codas = ("k", "l", "m", "n", "rt", "sh")
    syllables = [a + v + b for a, v, b in product(onsets, "aeiou", codas)]
    stems = [first + last for first, last in product(syllables, ("", "o", "a"))]
    Random("words").shuffle(stems)
    words: dict[str, list[str]] = {}
    for kind, count in NUM_WORDS.items():
        words[kind] = [stems.pop() + ENDINGS[kind] for _ in range(count)]
    return words


@dataclass(frozen=True)
class Thing:
    """A noun with what is said of it."""

    noun: str
    adjective: str | None
    number: str | None

    def words(self, *, is_brief: bool, article: str = "a") -> list[str]:
        """As it is said, briefly without its adjective."""
        adjective = [] if is_brief or self.adjective is None else [self.adjective]
        return [self.number or article, *adjective, self.noun]


@dataclass(frozen=True)
class Event:
    """Who does what, to what, how and where; None where nothing is said."""

    actor: Thing
    verb: str
    target: Thing | None
    adverb: str | None
    place: tuple[str, str] | None

    def words(self, *, is_brief: bool) -> list[str]:
        """As it is said, briefly without how and where."""
        said = self.actor.words(is_brief=is_brief)
        said += ["are" if self.actor.number else "is"]
        said += [] if is_brief or self.adverb is None else [self.adverb]
        said += [self.verb]
        said += [] if self.target is None else self.target.words(is_brief=is_brief, article="the")
        if self.place is not None and not is_brief:
            said += [self.place[0], "the", self.place[1]]
        return said


class Speaker:
    """Draws scenes, and says them.

    Args:
        random: whatever is drawn is drawn from it.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._words = make_words()
        # Each topic has the kinds' words in an order of its own: its favourites come first.
        order = Random("topics")
        self._ranked = [
            {kind: order.sample(words, len(words)) for kind, words in self._words.items()}
            for _ in range(NUM_TOPICS)
        ]

    @property
    def content_words(self) -> list[str]:
        """Every word that leaves a pattern."""
        return [word for words in self._words.values() for word in words]

    def scene(self) -> list[Event]:
        """One event, or two that happen at once or one after the other."""
        topic = self._random.randrange(NUM_TOPICS)
        return [self._event(topic) for _ in range(self._random.choice((1, 1, 2)))]

    def say(self, scene: list[Event], *, is_brief: bool = False) -> str:
        """A caption of 4 to 20 words; what would be longer is said briefly."""
        link = self._random.choice((["while"], ["and", "then"]))
        said = scene[0].words(is_brief=is_brief)
        for event in scene[1:]:
            said += [*link, *event.words(is_brief=is_brief)]
        if len(said) > MAX_WORDS:
            return self.say(scene, is_brief=True)
        return " ".join(said if len(said) >= MIN_WORDS else [*said, "there"])

    def _event(self, topic: int) -> Event:
        place = (self._random.choice(PREPOSITIONS), self._draw("place", topic))
        return Event(
            actor=self._thing(topic),
            verb=self._draw("verb", topic),
            target=self._thing(topic) if self._happens(0.5) else None,
            adverb=self._draw("adverb", topic) if self._happens(0.25) else None,
            place=place if self._happens(0.5) else None,
        )

    def _thing(self, topic: int) -> Thing:
        return Thing(
            noun=self._draw("noun", topic),
            adjective=self._draw("adjective", topic) if self._happens(0.5) else None,
            number=self._random.choice(("two", "three", "some")) if self._happens(0.15) else None,
        )

    def _draw(self, kind: str, topic: int) -> str:
        """A word by Zipf's law; of its topic's favourites, or of everybody's."""
        words = self._ranked[topic][kind] if self._random.random() < 0.6 else self._words[kind]
        # The inverse of the cumulative harmonic sum: rank r with probability of about 1 / r.
        return words[int(len(words) ** self._random.random()) - 1]

    def _happens(self, share: float) -> bool:
        return self._random.random() < share
