import os

import pytest

from gifdesc.errors import MeteorError
from gifdesc.metrics.meteor_process import meteor_command


@pytest.fixture
def no_java(tmp_path, monkeypatch):
    """A jar is there, Java is not."""
    monkeypatch.setattr("gifdesc.metrics.meteor_process._find_jar", lambda: tmp_path / "meteor.jar")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("JAVA_HOME", raising=False)


def install_java(folder):
    folder.mkdir(parents=True)
    path = folder / ("java.exe" if os.name == "nt" else "java")
    path.touch()
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("no_java")
def test_without_java_it_is_a_reason():
    with pytest.raises(MeteorError, match="needs Java: install a JRE"):
        meteor_command()


@pytest.mark.usefixtures("no_java")
def test_java_is_found_on_the_path_and_in_java_home(tmp_path, monkeypatch):
    at_home = install_java(tmp_path / "home" / "bin")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert meteor_command()[0] == str(at_home)
    monkeypatch.delenv("JAVA_HOME")
    on_path = install_java(tmp_path / "somewhere")
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert meteor_command()[0] == str(on_path)
    assert str(tmp_path / "meteor.jar") in meteor_command()


def test_without_the_extra_it_is_a_reason(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MeteorError, match=r"pip install 'gifdesc\[meteor\]'"):
        meteor_command()


def test_an_extra_without_its_jar_is_a_reason(monkeypatch, tmp_path):
    class Package:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr("importlib.util.find_spec", lambda _: Package)
    with pytest.raises(MeteorError, match=r"without its meteor-1\.5\.jar"):
        meteor_command()
