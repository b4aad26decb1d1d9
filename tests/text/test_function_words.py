from gifdesc.text.english import DANGLING_WORDS, ENGLISH_WORDS


def test_words_are_written_as_a_vocabulary_has_them():
    assert len(set(DANGLING_WORDS)) == len(DANGLING_WORDS)
    assert all(word == word.lower().strip() and " " not in word for word in DANGLING_WORDS)


def test_what_may_end_a_sentence_is_not_among_them():
    assert not {"up", "in", "by", "it", "her", "some", "off", "on", "there"} & set(DANGLING_WORDS)


def test_english_is_known_by_words_of_the_list():
    assert set(ENGLISH_WORDS) <= set(DANGLING_WORDS)
