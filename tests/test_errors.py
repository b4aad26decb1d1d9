import inspect

from gifdesc import errors


def test_the_tree_of_errors_is_the_one_that_is_drawn():
    found = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    drawn = {word for word in errors.__doc__.split() if word.endswith("Error")}
    assert drawn == found
    for name in found:
        assert issubclass(getattr(errors, name), errors.GifdescError)
