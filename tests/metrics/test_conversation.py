import sys

import pytest

from gifdesc.metrics.meteor_process import Conversation, ConversationError


def program(source):
    """A program of ours that one can talk with."""
    return Conversation([sys.executable, "-c", f"import sys, time\n{source}"])


def test_a_conversation_keeps_the_order():
    with program("for line in sys.stdin: print(line.strip().upper(), flush=True)") as shouting:
        words = [f"word{i}" for i in range(20_000)]
        replies = shouting.ask(words, len(words), timeout_seconds=20)
        assert list(replies) == [word.upper() for word in words]
        with pytest.raises(ConversationError, match=r"no answer for 0\.2 seconds"):
            list(shouting.ask([], 1, timeout_seconds=0.2))


def test_an_ended_program_is_reported_with_code_and_message():
    with (
        program("sys.exit('Error: no memory')") as dying,
        pytest.raises(ConversationError, match="ended with code 1: Error: no memory"),
    ):
        list(dying.ask(["hello"], 1, timeout_seconds=20))


def test_a_program_that_cannot_be_started_is_a_reason(tmp_path):
    with pytest.raises(ConversationError, match="cannot be started"):
        Conversation([str(tmp_path / "nothing")])
