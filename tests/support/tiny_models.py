"""Tiny vision-language models with random weights, saved to disk as the hub's are.

Each builder writes a whole folder (config.json, model.safetensors, the processor's and the
tokenizer's files) through the library's own `save_pretrained`, so that what is tested is loaded by
the code that loads the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
    CLIPImageProcessorPil,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from gifdesc.model.folder import open_model
from gifdesc.vision_language.loading import VisionLanguageModel, load_vision_language_model

SENTENCES = [
    "a red green blue ball cross grows shrinks moves left right man dog waves jumps over the sofa",
    "describe what happens in this animated gif one short sentence picture grid frames showing",
]
WORDS = " ".join(SENTENCES).split()
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMOLVLM_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}<image>{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}: "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %} "
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def bert_tokenizer() -> BertTokenizer:
    """Whole words and letters."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [*letters, *(f"##{letter}" for letter in letters), ".", ",", ";"]
    tokens = list(dict.fromkeys([*BERT_TOKENS, *WORDS, *pieces]))
    return BertTokenizer(vocab={token: index for index, token in enumerate(tokens)})


def byte_tokenizer() -> Tokenizer:
    """Byte-level BPE over `WORDS`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def fast_tokenizer(special: list[str], **named: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with special tokens."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_tokenizer(),
        bos_token="<|im_start|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        unk_token="<|end|>",
        extra_special_tokens=named,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": special} if special else {})
    return tokenizer


def qwen_tokenizer() -> Qwen2Tokenizer:
    """With the tokens of pictures and videos."""
    import json

    learnt = json.loads(byte_tokenizer().to_str())["model"]
    merges = [
        tuple(one) if isinstance(one, list) else tuple(one.split()) for one in learnt["merges"]
    ]
    tokenizer = Qwen2Tokenizer(vocab=learnt["vocab"], merges=merges)
    special = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
    tokenizer.add_tokens([*special, "<|image_pad|>", "<|video_pad|>"], special_tokens=True)
    tokenizer.eos_token = "<|im_end|>"
    return tokenizer


def save(folder: Path, build: Callable[[], Any], processor: Any) -> Path:
    """Random weights, always the same, and the processor."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build()
        # Larger weights than usual: a picture then makes a difference that words can show.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
SIZE = {"height": 32, "width": 32}


def write_blip(folder: Path) -> Path:
    """BLIP: one picture and a beginning."""
    tokenizer = bert_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "encoder_hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 128,
        "projection_dim": 8,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = BlipConfig(text_config=text, vision_config={**VISION, "projection_dim": 8})
    processor = BlipProcessor(BlipImageProcessorPil(size=SIZE), tokenizer)
    return save(folder, lambda: BlipForConditionalGeneration(config), processor)


def write_git(folder: Path, num_frames: int | None = None) -> Path:
    """GIT: one picture, or a fixed number of frames."""
    tokenizer = bert_tokenizer()
    config = GitConfig(
        vision_config=VISION,
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=384,  # transformers 5.17 counts the pictures' tokens too
        num_image_with_embedding=num_frames,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    image_processor = CLIPImageProcessorPil(size=SIZE, crop_size=SIZE)
    return save(folder, lambda: GitForCausalLM(config), GitProcessor(image_processor, tokenizer))


def write_video_git(folder: Path) -> Path:
    """GIT as trained on videos, with an embedding for each of 6 frames."""
    return write_git(folder, num_frames=6)


def _qwen_config(tokenizer: Qwen2Tokenizer) -> dict[str, Any]:
    return {
        "text_config": {
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_window_layers": 2,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [1, 1, 2],
                "rope_theta": 10000.0,
            },
        },
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    }


def _qwen_processor(kind: type, tokenizer: Qwen2Tokenizer) -> Any:
    size = {"shortest_edge": 28 * 28, "longest_edge": 4 * 28 * 28}
    return kind(
        Qwen2VLImageProcessor(size=size),
        tokenizer,
        Qwen2VLVideoProcessor(size=size),
        chat_template=QWEN_TEMPLATE,
    )


def write_qwen2_vl(folder: Path) -> Path:
    """Qwen2-VL: a chat with videos."""
    tokenizer = qwen_tokenizer()
    vision = {"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2}
    config = Qwen2VLConfig(vision_config=vision, **_qwen_config(tokenizer))
    processor = _qwen_processor(Qwen2VLProcessor, tokenizer)
    return save(folder, lambda: Qwen2VLForConditionalGeneration(config), processor)


def write_qwen2_5_vl(folder: Path) -> Path:
    """Qwen2.5-VL: a chat with videos and their times."""
    tokenizer = qwen_tokenizer()
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "out_hidden_size": 16,
        "intermediate_size": 24,
        "num_heads": 2,
        "fullatt_block_indexes": [0],
    }
    config = Qwen2_5_VLConfig(vision_config=vision, **_qwen_config(tokenizer))
    processor = _qwen_processor(Qwen2_5_VLProcessor, tokenizer)
    return save(folder, lambda: Qwen2_5_VLForConditionalGeneration(config), processor)


def _llama(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def write_smolvlm(folder: Path) -> Path:
    """SmolVLM2: a chat with videos, each frame with its time."""
    parts = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    tokenizer = fast_tokenizer(
        [*parts, "<video>"],
        fake_image_token="<fake_token_around_image>",
        image_token="<image>",
        end_of_utterance_token="<end_of_utterance>",
        global_image_token="<global-img>",
    )
    config = SmolVLMConfig(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        text_config=_llama(tokenizer),
        vision_config=VISION,
        pad_token_id=tokenizer.pad_token_id,
    )
    edge = {"longest_edge": 32}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(size=edge, max_image_size=edge, do_image_splitting=False),
        tokenizer,
        SmolVLMVideoProcessor(size=edge, max_image_size=edge, num_frames=64, fps=1),
        image_seq_len=4,
        chat_template=SMOLVLM_TEMPLATE,
    )
    return save(folder, lambda: SmolVLMForConditionalGeneration(config), processor)


def write_llava(folder: Path) -> Path:
    """LLaVA: a chat with pictures, no videos."""
    tokenizer = fast_tokenizer([], image_token="<image>")
    config = LlavaConfig(
        text_config=_llama(tokenizer),
        vision_config={"model_type": "clip_vision_model", **VISION, "projection_dim": 8},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size=SIZE, crop_size=SIZE),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    return save(folder, lambda: LlavaForConditionalGeneration(config), processor)


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "blip": write_blip,
    "git": write_git,
    "git-video": write_video_git,
    "llava": write_llava,
    "qwen2-vl": write_qwen2_vl,
    "qwen2.5-vl": write_qwen2_5_vl,
    "smolvlm2": write_smolvlm,
}


def load(name: Path | str) -> VisionLanguageModel:
    """A model of that folder or hub name, on the CPU."""
    return load_vision_language_model(open_model(name), torch.device("cpu"))
