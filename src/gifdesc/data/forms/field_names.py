"""What files call the fields of a record: the columns of tables and the keys of JSON objects."""

from __future__ import annotations

import re

OWNER_KEYS = ("image_id", "video_id", "gif_id")
"""Keys of a data set's own ids of GIFs."""

NAME_KEYS = (
    *OWNER_KEYS,
    *("id", "path", "gif", "source", "name", "file_name", "filename", "url"),
)
"""Keys of JSON objects that name a GIF beside each other."""

NAMES = {
    "id": "id",
    **dict.fromkeys(("imageid", "videoid", "gifid"), "image_id"),
    **dict.fromkeys(("filename", "image", "imagename", "video", "videoname"), "file_name"),
    **dict.fromkeys(("file", "path", "gif", "source", "name", "filepath"), "path"),
    **dict.fromkeys(("url", "link", "imageurl", "videourl", "gifurl"), "url"),
}
"""The plain name of a field -> the key of a record. Tables have them all; of JSON objects, those
without any of `NAME_KEYS`: other fields beside these may be anything."""

CAPTIONS = ("caption", "captions")
OTHER_CAPTIONS = ("text", "description", "sentence", "comment")
"""Fields of captions in records without `CAPTIONS`, as in Hugging Face metadata."""

_ONLY_SYMBOLS = re.compile(r"[^\w]|_")


def plain_name(name: str) -> str:
    """The name of a field in small letters, without other characters: `imageid` of `Image_ID`."""
    return _ONLY_SYMBOLS.sub("", name).lower()
