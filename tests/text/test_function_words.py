from gifdesc.text.english import DANGLING_WORDS, ENGLISH_WORDS


def test_words_are_written_as_a_vocabulary_has_them():
    assert len(set(DANGLING_WORDS)) == len(DANGLING_WORDS)
    assert all(word == word.lower().strip() and " " not in word for word in DANGLING_WORDS)


def test_words_that_may_end_a_sentence_are_not_in_the_list():
    assert not {"up", "in", "by", "it", "her", "some", "off", "on", "there"} & set(DANGLING_WORDS)


def test_english_vocabularies_are_recognised():
    assert set(ENGLISH_WORDS) <= set(DANGLING_WORDS)
