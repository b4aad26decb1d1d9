"""Where alternative texts are missing in HTML and Markdown."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

from gifdesc.captioning.alt_images import AltPlace, html_places, insert, markdown_images


def filled(text: str, alt: str = "A & B", *, find=html_places) -> str:
    return insert(text, dict.fromkeys(find(text), alt))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<img src=a.gif>", '<img alt="A &amp; B" src=a.gif>'),
        ("<IMG\n SRC='a.gif' />", "<IMG alt=\"A &amp; B\"\n SRC='a.gif' />"),
        ("é😀\r\n\u2028<p>x<img src=a.gif>", 'é😀\r\n\u2028<p>x<img alt="A &amp; B" src=a.gif>'),
    ],
)
def test_a_text_is_inserted_and_nothing_else_changes(text, wanted):
    assert filled(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        '<img src="a.gif" alt="">',
        '<img src="a.gif" ALT="x">',
        '<img src="a.gif" alt>',
        "<img>",
        '<!-- <img src="a.gif"> -->',
        "<script>x = '<img src=a.gif>'</script>",
        "<style>/* <img src=a.gif> */</style>",
        '<title><img src="a.gif"></title>',
        '<textarea>\n<img src="a.gif"></textarea>',
        '<iframe><img src="a.gif"></iframe>',
        '<img src="a.gif"',
        '<imgs src="a.gif">',
        "",
    ],
)
def test_what_has_a_text_or_is_no_image_is_left_alone(text):
    assert html_places(text) == []


def test_the_first_of_equal_attributes_counts():
    [place] = html_places('<img src="a.gif" src="b.gif">')
    assert place.source == "a.gif"


def test_the_base_of_a_document_counts():
    text = '<base href="https://example.org/x/"><img src="a.gif"><title>t</title><img src="b.gif">'
    assert [place.source for place in html_places(text)] == [
        "https://example.org/x/a.gif",
        "https://example.org/x/b.gif",
    ]


def test_metadata_before_a_document_is_left_alone():
    text = "---\nimage: ![](no.gif)\n---\n\n![](a.gif)\n"
    assert in_markdown(text, "T") == "---\nimage: ![](no.gif)\n---\n\n![T](a.gif)\n"


def test_entities_in_a_source_are_read():
    [place] = html_places('<img src=" a&amp;b.gif ">')
    assert place.source == "a&b.gif"


class Images(HTMLParser):
    """The attributes of all images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append(dict(attrs))


@given(
    st.text(st.sampled_from("<>\"'= /\nab&;![]()`\\img src.gf-"), max_size=60), st.text(max_size=20)
)
def test_any_document_gets_its_texts_whatever_they_contain(document, alt):
    text = f'{document} <img src="x.gif">'
    places = html_places(text)
    new = insert(text, dict.fromkeys(places, alt))
    texts = [image.get("alt") for image in Images(new).found if image.get("src")]
    assert [each for each in texts if each is None] == []
    assert new.replace(places[0].written(alt), "") == text if places and alt else True


# Markdown


def markdown_places(text: str) -> list[AltPlace]:
    return markdown_images(text).places


def in_markdown(text: str, alt: str = "A [b] `c`") -> str:
    return filled(text, alt, find=markdown_places)


class Renderer(RendererHTML):
    """HTML; before markdown-it-py 4.3, the texts of images lack escaped characters."""

    def renderInlineAsText(self, tokens, options, env):  # noqa: N802 - the name of the library
        """The text of an image: its content without markup."""
        breaks = {"softbreak": "\n", "hardbreak": "\n"}
        return "".join(
            self.renderInlineAsText(token.children, options, env)
            if token.type == "image"
            else breaks.get(token.type, token.content)
            for token in tokens or []
        )


def alts_of(markdown: str) -> list[str]:
    """The texts of a document's images, as a reader of Markdown sees them."""
    rendered = MarkdownIt("commonmark", renderer_cls=Renderer).enable("table").render(markdown)
    return [image.get("alt") or "" for image in Images(rendered).found]


@pytest.mark.parametrize(
    "text",
    [
        "![](a.gif)",
        "x ![ ](a.gif) y",
        '![](a.gif "title")',
        "![][ref]\n\n[ref]: a.gif",
        "> - ![](a.gif)",
        "| a |\n| --- |\n| ![](a.gif) |",
        "`code` ``![](no.gif)`` ![](a.gif)",
        r"\![](no.gif) and ![](a.gif)",
        "[![](a.gif)](page.html)",
        "a\r\nb\u2028c\r\n\r\n![](a.gif)\r\n",
        "*![](a.gif)*",
    ],
)
def test_images_get_their_texts(text):
    [place] = markdown_places(text)
    assert place.source == "a.gif"
    new = in_markdown(text)
    assert alts_of(new).count("A [b] `c`") == 1
    assert new.replace(place.written("A [b] `c`"), "") == text.replace("![ ]", "![]")


@pytest.mark.parametrize(
    "text",
    [
        "    ![](a.gif)",
        "```\n![](a.gif)\n```",
        "`![](a.gif)`",
        "![has](a.gif)",
        "[ref]: a.gif",
        "<!-- ![](a.gif) -->",
        "![]",
        "![](",
    ],
)
def test_code_and_images_with_texts_are_left_alone(text):
    assert markdown_places(text) == []


def test_html_in_markdown():
    text = 'x <img src="a.gif"> y\n\n<p>\n<img src="b.gif"><img alt="z" src="c.gif">\n</p>\n'
    assert [place.source for place in markdown_places(text)] == ["a.gif", "b.gif"]
    assert in_markdown(text, "T").count(' alt="T"') == 2


def test_html_in_a_code_span_is_not_that_of_an_image():
    text = "use `<img src='a.gif'>` like <img src='a.gif'>"
    assert in_markdown(text, "T") == "use `<img src='a.gif'>` like <img alt=\"T\" src='a.gif'>"


def test_each_cell_of_a_table_gets_its_text():
    rows = ["| a | b |", "| --- | --- |", "| ![](a.gif) | ![](b.gif) |"]
    text = "\n".join([*rows, "| <img src=c.gif> | <img src=c.gif> |"])
    assert [place.source for place in markdown_places(text)] == ["a.gif", "b.gif", "c.gif", "c.gif"]
    assert in_markdown(text, "T").count("T](") == 2
    assert in_markdown(text, "T").count('alt="T"') == 2


def test_an_image_whose_place_is_not_certain_is_named():
    found = markdown_images("x\n\n![][no such reference] ![](a.gif)")
    assert (found.places, found.unplaced) == ([], [(3, "a.gif")])


def test_several_images_of_a_paragraph_get_each_its_own_text():
    text = "![](a.gif) `![](no.gif)` ![x](b.gif)\n![](c.gif)"
    places = markdown_places(text)
    new = insert(text, {place: place.source for place in places})
    assert new == "![a.gif](a.gif) `![](no.gif)` ![x](b.gif)\n![c.gif](c.gif)"


@given(st.text(st.sampled_from("![]()`\\ \nab.<>*_|-#>\t~"), max_size=50))
def test_a_place_is_always_that_of_an_image_without_text(document):
    text = f"{document}\n\n![](x.gif)\n"
    before = alts_of(text)
    places = [place for place in markdown_places(text) if place.is_markdown]
    new = insert(text, dict.fromkeys(places, "T"))
    assert alts_of(new).count("T") - before.count("T") == len(places)
