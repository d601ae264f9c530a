"""Names as labels: printable, on one line, of bounded length, and never a path."""

import unicodedata

LENGTH = 120
# Letters change their order or vanish by these; joiners stay, emoji and several scripts need them.
_JOINERS = "\u200c\u200d"
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def show(text: str, length: int = LENGTH) -> str:
    """The text in NFC, controls and direction marks made visible, at most `length` characters.

    >>> show("a\\tb\\u202egnp.exe")
    'a␉b⟨U+202E⟩gnp.exe'
    """
    text = unicodedata.normalize("NFC", text[: 4 * length])
    cut = len(text) > length
    shown = "".join(map(_visible, text[: length + 1]))
    return shown[: length - 1] + "…" if cut or len(shown) > length else shown


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)  # the control's own picture
    if code == 0x7F:
        return "␡"
    if unicodedata.category(character) in _HIDDEN and character not in _JOINERS:
        return f"⟨U+{code:04X}⟩"
    return character
