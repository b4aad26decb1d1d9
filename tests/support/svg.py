"""The content of SVG charts."""

from __future__ import annotations

from xml.etree import ElementTree


def drawn_marks(svg: str, colour: str) -> int:
    """How many strokes of a colour a chart has."""
    marks = [one.get("style", "") for one in ElementTree.fromstring(svg).iter()]
    return sum(f"stroke: {colour}" in style for style in marks)


def svg_width(svg: str) -> float:
    """The width of a drawing in points."""
    return float(ElementTree.fromstring(svg).attrib["width"].removesuffix("pt"))
