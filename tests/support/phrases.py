"""Captions with all that a tokenizer may stumble over, and a vocabulary by hand."""
# ruff: noqa: RUF001  (look-alike quotes, dashes and invisible characters are what is tested)

CAPTIONS = [
    "a man is dancing, then he stops.",
    "the dog doesn't jump; it can't!",
    "she wears a t-shirt and a well-known cap",
    "a café in são paulo",
    'he says "hello there" and waves',
    "a sign reads 'open' (in red)",
    "is it 3.5 metres, or 10:30?",
    "the dogs' tails wag",
    "i'm sure they'll come, we've seen it",
    "a red/blue light: 50% off, $5",
    "nothing moves…",
]

WRITING = {
    "English": [
        "a train leaves at 10:30 a.m.",
        "3.5 of 1,000",
        "the U.S. flag, e.g. here",
        "rock'n'roll and rock 'n' roll",
        "50% of #1 for $5, €5 or 5 %",
        "well-known - and - 10-12",
        "he said: \"it's 'ok'\", no?",
        "“curly” ‘x’ don’t",
        "C# and C++ at foo@bar.com",
        'dogs’ … --- ** 5" a/b / c',
    ],
    "emoji": ["a cat 🐱 and 👨‍👩‍👧‍👦 laugh❤️ 🫠"],
    "German": ["Ein gelber Ball blinkt im Käfig", "„Hunde“ spielen"],
    "French": ["« un chat » saute !", "«un chat» c'est l'été"],
    "Spanish": ["¿qué? ¡hola!"],
    "Turkish": ["ışık İstanbul"],
    "Greek": ["ΑΘΗΝΑ λάμπει"],
    "Russian": ["Кот прыгает — ура"],
    "Hindi": ["बिल्ली कूदती है। क्ष क्‍ष"],
    "Arabic": ["قطة تقفز، ثم تنام؟"],
    "Persian": ["گربه می‌خواهد بپرد"],
    "Hebrew": ["חתול-קופץ על ״גג״", "שָׁלוֹם"],
    "Korean": ["고양이가 뛴다.", "고양이 3마리"],
    "Vietnamese": ["con mèo nhảy lên", "con me\u0300o nha\u0309y"],
    "Thai": ["แมวกำลังเดิน 2 ตัว", "เด็กๆเล่น"],
    "Lao": ["ແມວກຳລັງຍ່າງ"],
    "Khmer": ["ឆ្មាកំពុង\u200bដើរ។"],
    "Burmese": ["ကြောင် လမ်းလျှောက်။"],
    "Tibetan": ["ཞི་མི་ཞིག་འགྲོ།"],
    "Chinese": ["一个黄色的球，在闪烁。", "看3D电影 now", "“一只”猫", "渐渐消失了", "邊\U000e0100"],
    "Japanese": ["猫が「歩く」よ！", "ネコとが"],
}
"""Captions by script and language."""

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "ball", "##s", "un", "##do"]
