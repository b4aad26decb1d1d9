"""A file's bytes, or one sentence that says why they cannot be had."""

import stat
from pathlib import Path

from gifdesc.errors import GifError
from gifdesc.gif_limits import MAX_FILE_BYTES


def load_bytes(path: Path | str) -> bytes:
    """The bytes of a file that may be a GIF; read once, at most `MAX_FILE_BYTES`.

    Raises:
        GifError: There is no such file, it may not be read, it is empty, too large, a folder
            or a pipe (which might never end).
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise GifError(f"{path}: a folder, not a GIF")
        if not stat.S_ISREG(mode):
            raise GifError(f"{path}: not a regular file")
        with path.open("rb") as file:
            # One byte more than is there: a file that grows meanwhile is read to its old end.
            data = file.read(min(path.stat().st_size, MAX_FILE_BYTES) + 1)
    except FileNotFoundError as error:
        raise GifError(f"{path}: no such file") from error
    except PermissionError as error:
        raise GifError(f"{path}: permission denied") from error
    except OSError as error:
        raise GifError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a name that no file can have
        raise GifError(f"{path!r}: cannot be read ({error})") from error
    if not data:
        raise GifError(f"{path}: an empty file")
    if len(data) > MAX_FILE_BYTES:
        raise GifError(f"{path}: too large (more than {MAX_FILE_BYTES >> 20} MB)")
    return data
