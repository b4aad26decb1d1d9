"""Word lists of the tokenizer: abbreviations, spoken forms, words that keep an apostrophe.

Which words are in a list was found by giving candidates (all strings of up to five letters among
them) to Stanford's PTBTokenizer (CoreNLP 3.4.1) and looking at its tokens.
"""


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
"""Words that keep their period only where they begin with a capital ("Mass.", not "mass.")."""

NUMBER_ABBREVIATIONS = _words("art ca fig figs no nos op pp prop")
"""Words that keep their period where a number follows ("no. 5", but "no. he is not")."""

SENTENCE_STARTERS = _words(
    """
    a about according additionally after an as at but earlier he her here however if in it last
    many more mr. ms. now once one other our she since so some such that the their then there
    these they this we what when while yet you
    """
)
"""Words that, capitalised, begin a sentence: "plan b. The ..." ends one after the letter."""

SPOKEN_FORMS = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "lemme": ("lem", "me"),
    "gimme": ("gim", "me"),
    "wanna": ("wan", "na"),
}
"""Words that the Treebank takes apart."""

APOSTROPHE_WORDS = ("'em", "'till?", "'cause", "cap'n", "ol'", "somethin'", "dunkin'")
"""Patterns of words that keep their apostrophe, straight or curly."""

STRAIGHT_APOSTROPHE_WORDS = _words("cont'd[.] nor'easter c'mon e'er s'mores ev'ry li'l nat'l")
"""Patterns of words that keep their apostrophe where it is the straight one."""

FILE_ENDINGS = _words(
    """
    bat bmp c class cgi cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php pl
    png ppt ps py sql tar txt wav x xml zip
    """
)
"""Endings that make a file name of what would otherwise be a number and a word ("1.gif")."""
