"""What the documents say of the command line is so."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

import gifdesc
from gifdesc.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
MAX_LINE = 112
"""Characters of a line of prose."""
COMMANDS = typer.main.get_command(app).commands
UsageError = typer.BadParameter.__base__


def fenced_blocks(text):
    """The contents of all blocks of shell commands."""
    return re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def inline_commands(text):
    """What stands between backquotes in running text and begins with the command's name."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`(gifdesc [^`]+)`", prose)


def with_paths(mention):
    """A command named in running text, with the paths and options that it could not do without."""
    words = mention.split()
    if "--help" in words:
        return mention
    required = [one for one in COMMANDS[words[1]].params if one.required]
    takes_paths = any(one.nargs == -1 for one in required)
    if takes_paths and not (len(words) > 2 and not words[2].startswith("-")):
        words.append("x.gif")
    for one in required:
        if one.nargs != -1 and not set(one.opts) & set(words):
            words += ["x"] if one.param_type_name == "argument" else [one.opts[0], "x"]
    return " ".join(words)


def simple_commands(line):
    """A line of shell, parted at pipes, semicolons, redirections and the like."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.commenters = "#"
    lexer.whitespace_split = True
    words = []
    for token in lexer:
        if set(token) <= set("();<>|&"):
            yield words
            words = []
        else:
            words.append(token)
    yield words


def gifdesc_arguments(line):
    """The arguments of every call of gifdesc in a line of shell."""
    for words in simple_commands(line):
        if words[:3] == ["python", "-m", "gifdesc"]:
            words = words[2:]
        while words and re.fullmatch(r"[A-Z_]+=.*|\$|time|exec|nohup", words[0]):
            words = words[1:]
        if words[:1] == ["gifdesc"]:
            yield [word for word in words[1:] if word not in ("...", "…")]


def documented_calls():
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        joined = [block.replace("\\\n", " ") for block in fenced_blocks(text)]
        lines = [line for block in joined for line in block.splitlines()]
        for line in lines + [with_paths(mention) for mention in inline_commands(text)]:
            for arguments in gifdesc_arguments(line):
                name = path.relative_to(ROOT)
                yield pytest.param(arguments, id=f"{name}: gifdesc {' '.join(arguments)}")


CALLS = list(documented_calls())


def parse(arguments):
    """Let the real command parse its arguments, and do nothing with them."""
    if not arguments or arguments[0] in ("--version", "--help", "--install-completion"):
        return
    name, *rest = arguments
    assert name in COMMANDS, f"no command is called {name}"
    if "--help" in rest or "-h" in rest:
        rest = [word for word in rest if word not in ("--help", "-h")]
        assert not rest
        return
    COMMANDS[name].make_context(f"gifdesc {name}", rest)


@pytest.mark.parametrize("arguments", CALLS)
def test_a_documented_call_has_a_real_command_and_real_options(arguments):
    parse(arguments)


def test_the_documents_show_every_command():
    shown = {call.values[0][0] for call in CALLS if call.values[0]}
    assert shown >= set(COMMANDS)


@pytest.mark.parametrize(
    "line",
    [
        "gifdesc narrate ./gifs",
        "gifdesc describe ./gifs",
        "gifdesc train --epoch 10 --learning 1",
        "gifdesc train --epochs many",
        "find . | gifdesc caption - --jsonl > out",
        "gifdesc extract --sampling backwards ./gifs && true",
        "gifdesc caption",
    ],
)
def test_a_call_that_is_wrong_would_be_found(line):
    [arguments] = gifdesc_arguments(line)
    with pytest.raises((UsageError, AssertionError)):
        parse(arguments)


def test_shell_lines_are_taken_apart():
    line = "cat 'a b' | OMP_NUM_THREADS=1 gifdesc caption - --json > x; gifdesc evaluate # all"
    assert list(gifdesc_arguments(line)) == [["caption", "-", "--json"], ["evaluate"]]


def test_the_changelogs_newest_version_is_the_packages():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert versions[0] == gifdesc.__version__


def test_the_readme_has_the_two_lines_that_install():
    blocks = fenced_blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    lines = [line for block in blocks for line in block.splitlines()]
    assert "pip install '.[lite]' && gifdesc demo" in lines
    assert "pip install '.[dev]' && pytest" in lines


def test_what_the_documents_link_to_is_there():
    missing = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in DOCUMENTS
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert missing == []


def prose_lines(text):
    """The numbers and lines of a document, without code, tables, pictures and lone links."""
    is_code = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith(("|", "![", "<")) and " " in line.strip():
            yield number, line


def test_lines_of_prose_are_short():
    too_long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in DOCUMENTS
        for number, line in prose_lines(path.read_text(encoding="utf-8"))
        if len(line) > MAX_LINE
    ]
    assert too_long == []


def messages_of_the_program():
    """Every string of the source, with NUL for what is filled in."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = node.values
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "\0" for part in parts
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


TROUBLES = re.findall(
    r"^### `([^`]*)`$", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), re.MULTILINE
)


@pytest.mark.parametrize("message", TROUBLES)
def test_a_message_that_troubleshooting_explains_is_one_of_the_programs(message):
    fragments = [part for part in message.split("...") if part.strip(" :,;().")]
    wanted = re.compile(".*".join(re.escape(part) for part in fragments), re.DOTALL)
    assert any(wanted.search(text.replace("\0", "x")) for text in messages_of_the_program())


def test_the_page_of_python_names_has_every_public_name():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names = re.findall(r"^\.\. auto\w+:: gifdesc\.(?:\w+\.)?(\w+)$", text, re.MULTILINE)
    assert sorted(names) == sorted(set(gifdesc.__all__) - {"__version__"})
