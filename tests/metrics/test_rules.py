from hypothesis import given
from hypothesis import strategies as st

from gifdesc.metrics.tokenizer import RULES


def test_every_rule_takes_something() -> None:
    assert [rule.pattern.pattern for rule in RULES if rule.pattern.match("")] == []


@given(st.text(alphabet=st.characters(exclude_categories=["Zs", "Zl", "Zp", "Cc"]), min_size=1))
def test_a_token_that_is_written_has_no_line_end(text: str) -> None:
    for rule in RULES:
        if match := rule.pattern.match(text):
            assert len(rule.write(match[0]).splitlines()) <= 1
