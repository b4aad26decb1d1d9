"""Where METEOR's program and a Java to run it are."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from gifdesc.errors import MeteorError

_JAR = Path("meteor", "meteor-1.5.jar")
_HEAP = "-Xmx2G"
_LOCALE = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
"""In a locale with decimal commas METEOR cannot read its own numbers."""


def meteor_command() -> list[str]:
    """The command line that starts METEOR 1.5 for English, asking on stdin, answering on stdout.

    Raises:
        MeteorError: the extra is not installed, or there is no Java.
    """
    jar = _find_jar()
    return [
        _find_java(),
        _HEAP,
        *_LOCALE,
        "-jar",
        str(jar),
        "-",
        "-",
        "-stdio",
        "-l",
        "en",
        "-norm",
    ]


def _find_jar() -> Path:
    package = importlib.util.find_spec("pycocoevalcap")
    if package is None:
        raise MeteorError("needs the extra and Java: pip install 'gifdesc[meteor]'")
    for folder in package.submodule_search_locations or ():
        if (jar := Path(folder) / _JAR).is_file():
            return jar
    raise MeteorError(f"pycocoevalcap is installed without its {_JAR.name}; install it again")


def _find_java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java") or (home and shutil.which(str(Path(home) / "bin" / "java")))
    if not java:
        raise MeteorError("needs Java: install a JRE (on Debian, default-jre-headless)")
    return java
