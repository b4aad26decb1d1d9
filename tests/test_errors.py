import inspect

from gifdesc import errors


def test_the_tree_of_errors_is_the_one_that_is_drawn():
    found = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    drawn = {word for word in errors.__doc__.split() if word.endswith("Error")}
    assert drawn == found
    for name in found:
        assert issubclass(getattr(errors, name), errors.GifdescError)


def test_long_names_and_values_in_messages_lack_their_middles():
    name = "a" * 150 + "b" * 1_000_000 + "c" * 96 + ".gif"
    message = str(errors.GifdescError(f"{name}: not a GIF"))
    assert message == f"{'a' * 99}\u2026{'c' * 94}.gif: not a GIF"
    assert len(str(errors.GifdescError("word " * 100_000))) == 3999
    assert str(errors.GifdescError("short.gif: not a GIF")) == "short.gif: not a GIF"
