from gifdesc.metrics import lexicon, tokenize


def test_abbreviations_keep_their_period_whatever_follows() -> None:
    for word in lexicon.ABBREVIATIONS:
        assert tokenize(f"he saw {word}. it") == f"he saw {word}. it"


def test_abbreviated_states_keep_their_period_only_if_capitalised() -> None:
    for word in lexicon.CAPITAL_ABBREVIATIONS:
        assert tokenize(f"{word}. it") == f"{word.lower()}. it"
        assert tokenize(f"{word.lower()}. it") == f"{word.lower()} it"


def test_words_of_numbers_keep_it_before_a_number_alone() -> None:
    for word in lexicon.NUMBER_ABBREVIATIONS:
        assert tokenize(f"see {word}. 5") == f"see {word}. 5"
        assert tokenize(f"see {word}. it") == f"see {word} it"
