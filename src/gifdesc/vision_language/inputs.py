"""The frames of a GIF as input of a vision-language model: a video, a grid, or a stack of frames.

Each form chooses the frames and makes the inputs of several GIFs at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from gifdesc.gif.canvas import Frames
from gifdesc.sampling import time_indices, uniform_indices

QUESTION = "Describe what happens in this animated GIF in one short sentence."
STILL_QUESTION = "Describe this picture in one short sentence."
GRID_INTRODUCTION = (
    "This picture is a grid of {num_frames} frames of one animated GIF, in order, row by row from "
    "left to right. Do not mention the grid or the frames."
)
GRID_START = "a grid of video frames showing"
"""The prompt with a grid for models that continue a text."""

_CONTINUES_TEXT = frozenset({"blip", "git", "blip-2", "kosmos-2"})
_TASK_PROMPTS = {"paligemma": "caption en", "florence2": "<CAPTION>"}
"""The caption prompts that these families were trained with (their model cards)."""

_VIDEO_FRAMES = 16
_CHAT_GRID_FRAMES = 9
_SMALL_GRID_FRAMES = 4
"""Frames in a grid for models with pictures of 224 to 384 pixels: more would be too small."""


@dataclass(frozen=True)
class Clip:
    """The sampled frames of a GIF.

    Attributes:
        frames: uint8 (T, height, width, 3), RGB.
        times_ms: the start of each frame.
        duration_ms: of one pass through the GIF.
    """

    frames: Frames
    times_ms: tuple[int, ...]
    duration_ms: int


class InputForm(Protocol):
    """How a family of models gets a GIF."""

    def pick(self, durations_ms: Sequence[int]) -> list[int]:
        """The indices of the frames to use.

        Args:
            durations_ms: of all frames of the GIF.
        """
        ...

    def prepare(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """The inputs of the model, on the CPU, for clips with equal numbers of frames."""
        ...


def choose_form(model: Any, processor: Any, prompt: str | None = None) -> InputForm:
    """The form of input for a model, by the abilities of its processor.

    Args:
        model: from transformers.
        processor: of the model.
        prompt: the question, instead of the default; for a model that continues a text, its start.
    """
    num_frames = getattr(model.config, "num_image_with_embedding", None)
    if num_frames:
        return FrameStack(processor, int(num_frames))
    if getattr(processor, "chat_template", None) is None:
        # Older repositories store the template with the tokenizer.
        processor.chat_template = getattr(processor.tokenizer, "chat_template", None)
    if processor.chat_template:
        has_videos = getattr(processor, "video_processor", None) is not None
        if has_videos and _template_shows(processor, "video"):
            return VideoChat(processor, prompt)
        if _template_shows(processor, "image"):
            return GridChat(processor, prompt)
    return GridStart(processor, str(model.config.model_type), prompt)


class VideoChat:
    """A video of the frames with their times, and a question; a picture for a still GIF."""

    def __init__(self, processor: Any, prompt: str | None) -> None:
        self._processor = processor
        self._prompt = prompt

    def pick(self, durations_ms: Sequence[int]) -> list[int]:
        """At most 16 frames, spread evenly."""
        return uniform_indices(len(durations_ms), _VIDEO_FRAMES)

    def prepare(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """The inputs; they contain the time of each frame if the processor supports it."""
        if len(clips[0].frames) == 1:
            question = self._prompt or STILL_QUESTION
            pictures = [[clip.frames[0]] for clip in clips]
            return _chat(self._processor, "image", question, len(clips), {"images": pictures})
        return _chat(
            self._processor,
            "video",
            self._prompt or QUESTION,
            len(clips),
            {
                # A list of videos for each text: SmolVLM2's processor of transformers 5.17 counts
                # them by text; 5.24 takes the lists apart.
                "videos": [[clip.frames] for clip in clips],
                "video_metadata": [_video_metadata(clip) for clip in clips],
                "do_sample_frames": False,
            },
        )


class GridChat:
    """A picture with a grid of the frames, and a question that mentions the grid."""

    def __init__(self, processor: Any, prompt: str | None) -> None:
        self._processor = processor
        self._prompt = prompt

    def pick(self, durations_ms: Sequence[int]) -> list[int]:
        """At most 9 frames, spread evenly."""
        return uniform_indices(len(durations_ms), _CHAT_GRID_FRAMES)

    def prepare(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """The inputs, with one picture per GIF."""
        num_frames = len(clips[0].frames)
        question = _question(num_frames, self._prompt)
        pictures = [[frame_grid(clip.frames)] for clip in clips]
        return _chat(self._processor, "image", question, len(clips), {"images": pictures})


class GridStart:
    """A picture with a grid of the frames, and a text, for models without a chat template.

    The text is the start of the caption, the name of a task, or a question for an unknown family.
    Starts and questions mention the grid. Models with task names accept only these names.
    """

    def __init__(self, processor: Any, model_type: str, prompt: str | None) -> None:
        self._processor = processor
        self._model_type = model_type
        self._prompt = prompt

    def pick(self, durations_ms: Sequence[int]) -> list[int]:
        """At most 4 frames, spread evenly."""
        return uniform_indices(len(durations_ms), _SMALL_GRID_FRAMES)

    def prepare(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """The inputs, with one picture per GIF."""
        pictures = [frame_grid(clip.frames) for clip in clips]
        text = self._text(len(clips[0].frames))
        if text is None:
            return dict(self._processor(images=pictures, return_tensors="pt"))
        if self._model_type == "git":
            inputs = dict(self._processor(images=pictures, return_tensors="pt"))
            return {**inputs, **_beginning(self._processor.tokenizer, text, len(clips))}
        return dict(self._processor(images=pictures, text=[text] * len(clips), return_tensors="pt"))

    def _text(self, num_frames: int) -> str | None:
        if self._model_type in _CONTINUES_TEXT:
            return self._prompt or (GRID_START if num_frames > 1 else None)
        if self._model_type in _TASK_PROMPTS:
            return self._prompt or _TASK_PROMPTS[self._model_type]
        return _question(num_frames, self._prompt)


class FrameStack:
    """A fixed number of frames, each a picture, for GIT models that were trained on videos.

    Wang et al. 2022, arXiv:2205.14100, section 3.1: each frame position has an embedding.
    """

    def __init__(self, processor: Any, num_frames: int) -> None:
        self._processor = processor
        self._num_frames = num_frames

    def pick(self, durations_ms: Sequence[int]) -> list[int]:
        """The model's number of frames, evenly spaced in time; short GIFs repeat frames."""
        return time_indices(durations_ms, self._num_frames)

    def prepare(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """Pixels of shape (B, T, 3, h, w); such models were trained without a prompt."""
        pictures = [frame for clip in clips for frame in clip.frames]
        pixels = self._processor(images=pictures, return_tensors="pt")["pixel_values"]
        return {"pixel_values": pixels.unflatten(0, (len(clips), self._num_frames))}


def _question(num_frames: int, prompt: str | None) -> str:
    """The question about a picture; it mentions the grid if there are several frames."""
    if num_frames == 1:
        return prompt or STILL_QUESTION
    return f"{GRID_INTRODUCTION.format(num_frames=num_frames)} {prompt or QUESTION}"


def _video_metadata(clip: Clip) -> dict[str, Any]:
    """The times of a clip for transformers, which supports only videos with a fixed frame rate.

    Each frame of a GIF has its own duration, so the metadata describe a video with a frame per
    millisecond, sampled at the times of the clip's frames: every time is exact.
    """
    height, width = clip.frames.shape[1:3]
    return {
        "fps": 1000.0,
        "total_num_frames": clip.duration_ms,
        "frames_indices": list(clip.times_ms),
        "duration": clip.duration_ms / 1000,
        "height": height,
        "width": width,
    }


def _chat(
    processor: Any, media: str, question: str, num_clips: int, shown: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs of a question about each picture or video; `shown` goes to the processor."""
    text = _render(processor, [{"type": media}, {"type": "text", "text": question}])
    tokenizer = processor.tokenizer
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    has_start = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
    return dict(
        processor(
            text=[text] * num_clips,
            add_special_tokens=not has_start,  # the template has written the start token
            padding=True,
            padding_side="left",
            return_tensors="pt",
            **shown,
        )
    )


def _render(processor: Any, content: list[dict[str, str]]) -> str:
    messages = [{"role": "user", "content": content}]
    # Thoughts would use up the tokens of the caption.
    options = (
        {"enable_thinking": False} if "enable_thinking" in str(processor.chat_template) else {}
    )
    return str(
        processor.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False, **options
        )
    )


def _template_shows(processor: Any, media: str) -> bool:
    """Whether the chat template supports a kind of media; some support only pictures."""
    words = {"type": "text", "text": QUESTION}
    return _render(processor, [{"type": media}, words]) != _render(processor, [words])


def _beginning(tokenizer: Any, text: str, num_clips: int) -> dict[str, torch.Tensor]:
    """The start of a caption as tokens, with the start token and without an end token."""
    ids = [tokenizer.cls_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
    input_ids = torch.tensor([ids] * num_clips)
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}


LONGEST_SIDE = 512
"""Most pixels of the longer side of a frame: the size of SmolVLM2 for videos (its
preprocessor_config.json); other models use smaller frames."""

SHORTEST_SIDE = 56
"""Least pixels of the shorter side: two patches of Qwen2-VL, of 28 pixels each."""

_MAX_RATIO = 4
"""Highest ratio of the sides: thinner frames are widened with white (Qwen2-VL refuses pictures of
200 to 1, other models squeeze them to a square)."""

_TILE_SIDE = 336
"""Pixels of the longer side of a tile: the input size of CLIP ViT-L/14@336, which most image models
use."""

_GAP = 4
"""White pixels between the tiles of a grid."""


def fit_frame(frame: Frames) -> Frames:
    """A frame with its sides within `SHORTEST_SIDE` and `LONGEST_SIDE`, never distorted.

    Args:
        frame: uint8 (height, width, 3), RGB.

    Returns:
        uint8 (h, w, 3). Large frames are shrunk, small frames enlarged, and thin frames get white
        on both sides.
    """
    height, width = frame.shape[:2]
    longer, shorter = max(height, width), min(height, width)
    scale = min(1.0, LONGEST_SIDE / longer)
    if shorter * scale < SHORTEST_SIDE:
        scale = min(SHORTEST_SIDE / shorter, LONGEST_SIDE / longer)
    if scale != 1.0:
        frame = _resized(frame, max(1, round(height * scale)), max(1, round(width * scale)))
    height, width = frame.shape[:2]
    least = max(SHORTEST_SIDE, math.ceil(max(height, width) / _MAX_RATIO))
    return _centred(frame, max(height, least), max(width, least))


def frame_grid(frames: Frames) -> Frames:
    """Frames as one picture: row by row, with white between them, as square as possible.

    Args:
        frames: uint8 (T, height, width, 3), RGB.

    Returns:
        uint8 (h, w, 3). A single frame is returned as it is.
    """
    num_frames, height, width = frames.shape[:3]
    if num_frames == 1:
        single: Frames = frames[0]
        return single
    scale = min(1.0, _TILE_SIDE / max(height, width))
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    num_rows, num_columns = grid_shape(num_frames, height, width)
    canvas_height = num_rows * height + (num_rows - 1) * _GAP
    canvas_width = num_columns * width + (num_columns - 1) * _GAP
    canvas = np.full((canvas_height, canvas_width, 3), 255, np.uint8)
    for index, frame in enumerate(frames):
        row, column = divmod(index, num_columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        canvas[top : top + height, left : left + width] = _resized(frame, height, width)
    return canvas


def grid_shape(num_frames: int, height: int, width: int) -> tuple[int, int]:
    """The rows and columns of the squarest grid without an empty row or column."""
    shapes = [(math.ceil(num_frames / columns), columns) for columns in range(1, num_frames + 1)]
    full = [(rows, columns) for rows, columns in shapes if math.ceil(num_frames / rows) == columns]

    def distortion(shape: tuple[int, int]) -> tuple[float, int]:
        rows, columns = shape
        num_empty = rows * columns - num_frames
        return abs(math.log(columns * width / (rows * height))), num_empty

    return min(full, key=distortion)


def _resized(frame: Frames, height: int, width: int) -> Frames:
    if frame.shape[:2] == (height, width):
        return frame
    picture = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
    pixels: Frames = np.asarray(picture, np.uint8)
    return pixels


def _centred(frame: Frames, height: int, width: int) -> Frames:
    if frame.shape[:2] == (height, width):
        return frame
    canvas = np.full((height, width, 3), 255, np.uint8)
    top, left = (height - frame.shape[0]) // 2, (width - frame.shape[1]) // 2
    canvas[top : top + frame.shape[0], left : left + frame.shape[1]] = frame
    return canvas
