"""The lexicon of the tokenizer: classes of characters, and special tokens.

The classes were measured: Stanford's PTBTokenizer (CoreNLP 3.4.1, Unicode 6) was given every
character of the Basic Multilingual Plane, alone and inside a word. Latin, Greek and Cyrillic are
exact; other scripts are covered by whole blocks. Characters that are neither part of words
nor tokens (emoji beyond the plane, variation selectors, private use, ...) are dropped.
"""

from __future__ import annotations

import re

LETTER = (
    "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0374\u0376-\u037d\u0384-\u0386"
    "\u0388-\u0481\u0483-\u0487\u048a-\u0527\u0531-\u0556\u0559-\u055f\u0561-\u0587\u0591-\u05bd"
    "\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u05d0-\u05f2\u0610-\u061a\u0620-\u065e\u066e-\u06d3"
    "\u06d5-\u06ef\u06fa-\u06ff\u0710-\u07f5\u0900-\u0963\u0971-\u0e3e\u0e40-\u0e4e\u0e81-\u1fbc"
    "\u1fbe-\u1ffc\u2071\u207f\u2090-\u209c\u210a-\u2113\u2126\u2c00-\u2ddf\u3005\u3006"
    "\u3031-\u3035\u3040-\u30fa\u30fc-\u318e\u31a0-\u31ff\u3400-\u4db5\u4e00-\ud7a3\uf900-\ufdfb"
    "\ufe70-\ufefc\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc"
)
"""Letters and the marks that words are written with: the inside of a regex character class."""

SYMBOL = (
    "!-/:-@\\[-`{-~\u00a1-\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u037e\u0387"
    "\u0589\u05be\u05c0\u05c3\u060c\u061b\u061f\u066a\u06d4\u0964\u0965\u0e3f\u2013-\u2023\u2026"
    "\u2030-\u203b\u203e-\u2042\u2044\u2070\u2074-\u207e\u2080-\u208e\u20a0\u20a4\u20ac\u2100"
    "\u2101\u2103-\u2106\u2108\u2109\u2114\u2116-\u2118\u211e-\u2123\u2125\u2127\u2129\u212e"
    "\u213a\u213b\u2140-\u2144\u214a-\u214d\u214f\u2153-\u215e\u2190-\u2bff\u3001\u3002\u3012"
    "\u30fb\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0\uffe1\uffe5\uffe6\u0080"
    "\u0091-\u0094\u0096\u0097"
)
"""Characters that are tokens of their own: the inside of a regex character class."""

_LINE_BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SOFT_HYPHENS = re.compile("\u00ad")

_BRACKETS = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
}
_QUOTES = {
    **dict.fromkeys("\u2018\u201b\u2039\x91", "`"),
    **dict.fromkeys("\u2019\u203a\x92", "'"),
    **dict.fromkeys('\u201c\u00ab\x93"', "``"),
    **dict.fromkeys("\u201d\u00bb\x94", "''"),
}
_CURRENCIES = {"\u00a2": "cents", "\u00a3": "#", **dict.fromkeys("\u00a4\u20a0\u20ac\x80", "$")}
_FRACTIONS = {
    "\u00bc": "1/4",
    "\u00bd": "1/2",
    "\u00be": "3/4",
    "\u2153": "1/3",
    "\u2154": "2/3",
}
_DASHES = dict.fromkeys("\u2013\u2014\u2015\x96\x97", "--")

REPLACEMENTS = {
    **_BRACKETS,
    **_QUOTES,
    **_CURRENCIES,
    **_FRACTIONS,
    **_DASHES,
    "\u2026": "...",
}
"""The spelling of the Penn Treebank for tokens of one character."""


def remove_line_breaks(text: str) -> str:
    r"""Text on a single line.

    Every character that some reader ends a line at (those of `str.splitlines`, among them
    ``\r``, ``\v``, ``\f``, U+0085, U+2028, U+2029) becomes a space. The toolkit replaces ``\n``
    only, and the others shift all its later captions.
    """
    return _LINE_BREAKS.sub(" ", text)


def remove_soft_hyphens(text: str) -> str:
    """Text without U+00AD, which marks where a word may be broken and is not part of it."""
    return _SOFT_HYPHENS.sub("", text)


def escape_brackets(token: str) -> str:
    """A token with the Treebank's names for its round brackets: ``:)`` is ``:-rrb-``."""
    return token.replace("(", "-lrb-").replace(")", "-rrb-")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ABBREVIATIONS = _words(
    """
    al cf co ct dr ft ga jr ky lt md mo mr ms mt ph rd rt sq sr st va vs vt wm
    adj adm adv ala apr aug ave bhd cie col cos cpl dak dec det drs ens esq est etc ext feb fla
    fri gen gov hon inc ind jan jos jul jun kan ltd maj mar mfg mme mon mrs mtg neb nev nov oct
    pfc plc pte pty pvt rep rev sen sep seq sfc sgt spc ste sys tel thu tue wed wis wyo
    alex ariz assn asst atty bldg blvd brig bros capt cmdr colo conn corp dept elec govs insp
    intl invt kans mich minn mlle mont msgr natl okla penn ppte ppty pres prof ptes ptys reps
    sens sept supt tenn tues univ wisc
    assoc attys calif comdr lieut pptes pptys profs supts thurs treas bancorp messrs
    """
)
"""Words that keep the period written after them, whatever follows and however they are cased."""

CAPITAL_ABBREVIATIONS = _words("Ark Az Del Ill La Mass Miss Ore Pa Tex Wash")
"""Words that keep their period only if they begin with a capital ("Mass.", not "mass.")."""

NUMBER_ABBREVIATIONS = _words("art ca fig figs no nos op pp prop")
"""Words that keep their period if a number follows ("no. 5", but "no. he is not")."""

SENTENCE_STARTERS = _words(
    """
    a about according additionally after an as at but earlier he her here however if in it last
    many more mr. ms. now once one other our she since so some such that the their then there
    these they this we what when while yet you
    """
)
"""Words that begin a sentence if capitalised: in "plan b. The ...", a sentence ends after "b"."""

SPOKEN_FORMS = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "lemme": ("lem", "me"),
    "gimme": ("gim", "me"),
    "wanna": ("wan", "na"),
}
"""Words that the Treebank splits."""

APOSTROPHE_WORDS = ("'em", "'till?", "'cause", "cap'n", "ol'", "somethin'", "dunkin'")
"""Patterns of words that keep their apostrophe, straight or curly."""

STRAIGHT_APOSTROPHE_WORDS = _words("cont'd[.] nor'easter c'mon e'er s'mores ev'ry li'l nat'l")
"""Patterns of words that keep their apostrophe if it is straight."""

FILE_ENDINGS = _words(
    """
    bat bmp c class cgi cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php pl
    png ppt ps py sql tar txt wav x xml zip
    """
)
"""Endings of file names that would otherwise be a number and a word ("1.gif")."""
