"""Characters that are drawn like ASCII ones, and those that are not drawn at all.

The table is a skeleton for matching, not a transliteration: Cyrillic `р` becomes
`p` because it looks like it. Whoever writes a pattern in Russian folds it in the
same way. Ideographs, kana, Hangul and the scripts of India are not touched.
"""

from __future__ import annotations

import unicodedata

# Letters as they are drawn; upper and lower case apart, since Greek `Η` is drawn
# like H and `η` like n.
_LETTERS = {
    "a": "аɑαаᴀⱥ", "b": "вьβɓʙᏏƀ", "c": "сϲᴄςƈↄ", "d": "ԁδɗᴅđðժ", "e": "еєεэᴇɛҽə℮",
    "f": "ƒꜰғϝք", "g": "ɡԍցɢɠ", "h": "һнհʜħհ", "i": "іιıɪӏⅰӀ", "j": "јϳᴊʝ", "k": "кκᴋƙқ",
    "l": "ʟłɭⅼ", "m": "мᴍɱ", "n": "пηոɴиŋɲπҥң", "o": "оοօᴏσөøɵ๐০౦", "p": "рρᴘƿþ",
    "q": "ԛզɋ", "r": "гʀɾяґ", "s": "ѕꜱʂ", "t": "тτᴛŧƭ", "u": "υսᴜμцʋ", "v": "νѵᴠѴ",
    "w": "ԝωᴡшɯա", "x": "хχ×ҳ", "y": "уγʏүყƴ", "z": "ᴢζʐƶ",
    "A": "АΑᎪ", "B": "ВΒᏴЬ", "C": "СϹᏟ", "D": "ᎠĐ", "E": "ЕΕᎬЄЭ", "F": "ϜҒ", "G": "ԌᏀ",
    "H": "НΗᎻҺĦ", "I": "ІΙ", "J": "ЈᎫ", "K": "КΚᏦҚ", "L": "ᏞŁ", "M": "МΜᎷ", "N": "ΝПИҢ",
    "O": "ОΟՕØӨ", "P": "РΡᏢ", "Q": "Ԛ", "R": "ᎡГЯҐ", "S": "ЅᏚՏ", "T": "ТΤᎢŦ", "U": "ՍЦ",
    "V": "Ꮩ", "W": "ԜᎳШ", "X": "ХΧҲ", "Y": "УΥҮ", "Z": "ΖᏃ",
    "ae": "æ", "oe": "œ", "AE": "Æ", "OE": "Œ",
    "'": "‘’‚‛′ʹʼ`´", '"': "“”„‟″«»", "-": "‐‑‒–—―−⁃", "/": "⁄∕", ":": "∶꞉",
    "<": "‹⟨", ">": "›⟩", "|": "∣│┃", "_": "▁", "*": "∗•", "~": "∼", "!": "ǃ",
}  # fmt: skip

LOOKALIKES: dict[str, str] = {
    drawn: plain for plain, many in _LETTERS.items() for drawn in many if not drawn.isascii()
}

# Letters in boxes and discs that compatibility mapping leaves alone, and flags' halves.
LETTER_RANGES = ((0x1F150, "A"), (0x1F170, "A"), (0x1F1E6, "A"))

INVISIBLE_RANGES = (
    (0x0000, 0x0008), (0x000E, 0x001B), (0x007F, 0x0084), (0x0086, 0x009F),
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF9, 0xFFFB),
    (0x1D173, 0x1D17A), (0xE0000, 0xE001F), (0xE007F, 0xE01EF),
)  # fmt: skip
# Marks that sit on any letter. Those of kana, of India and of Semitic scripts are part
# of the writing and stay.
MARK_RANGES = (
    (0x0300, 0x036F), (0x0483, 0x0489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)  # fmt: skip
TAG_FIRST, TAG_LAST = 0xE0020, 0xE007E
# Scripts whose letters may carry marks of `MARK_RANGES`: Latin, Greek, Cyrillic.
_MARKED_BELOW = 0x0530
_LINE_ENDS = "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
_BLANKS = "\t\u2800"
_HANGUL = (0xAC00, 0xD7A3)


def _fixed() -> dict[int, str]:
    """What needs no look at the character database."""
    table = dict.fromkeys(_codes(INVISIBLE_RANGES + MARK_RANGES), "")
    table |= {code: chr(code - 0xE0000) for code in range(TAG_FIRST, TAG_LAST + 1)}
    table |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
    for first, letter in LETTER_RANGES:
        table |= {first + step: chr(ord(letter) + step) for step in range(26)}
    table |= {ord(drawn): plain for drawn, plain in LOOKALIKES.items()}
    table |= dict.fromkeys(map(ord, _LINE_ENDS), "\n")
    return table | dict.fromkeys(map(ord, _BLANKS), " ")


def _codes(ranges: tuple[tuple[int, int], ...]) -> list[int]:
    return [code for first, last in ranges for code in range(first, last + 1)]


_FIXED = _fixed()


def folded(code: int) -> str:
    """Return what a character stands for: nothing, itself, or what it is drawn like.

    White space becomes a space, or a line feed if it ends a line. A lone surrogate
    becomes U+FFFD, so that the outcome can be encoded.
    """
    found = _FIXED.get(code)
    if found is not None:
        return found
    character = chr(code)
    apart = unicodedata.normalize("NFKD", character)
    # Hangul syllables come apart too, but only into what they are written with.
    if apart == character or _HANGUL[0] <= code <= _HANGUL[1]:
        return " " if character.isspace() else character
    return "".join(map(_drawn, unicodedata.normalize("NFKC", character)))


def _drawn(part: str) -> str:
    """Map one part of a compatible form: by its drawing, or by the letter below its marks."""
    found = _FIXED.get(ord(part))
    if found is not None:
        return found
    base = unicodedata.normalize("NFD", part)[0]
    if ord(base) < _MARKED_BELOW:
        return _FIXED.get(ord(base), base)
    return part
