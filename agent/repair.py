"""Text as a person would have seen it: mojibake mended, HTML unwrapped, everything hidden taken out and kept apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

import ftfy

from agent.case import Message, Signal, Span

_FTFY: Final = ftfy.TextFixerConfig(
    unescape_html=False, uncurl_quotes=False, fix_line_breaks=True, remove_control_chars=False, normalization="NFC"
)
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]{0,16}[ -/]?[@-~]")
_HIDDEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff\U0001d173-\U0001d17a\ud800-\udfff\ue000-\uf8ff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
"""Zero-width, bidirectional, tag, private-use and control characters."""
_JOINED: Final = re.compile("(?<=[^\x00-\x7f])\u200d(?=[\u2640-\u27bf\U0001f300-\U0001faff])")
"""The joiner inside one emoji is no hidden text."""
_HTML: Final = re.compile(
    r"<(?:!doctype html|html|body|div|p|br ?/?|table|span|blockquote|meta|style|script|font|b|i|strong|a)(?=[\s/>])[^<>]{0,2000}>|<!--",
    re.IGNORECASE,
)
_JOINER_STAND_IN: Final = "\ufdd0"


@dataclass(frozen=True, slots=True)
class Repaired:
    """A text as shown to a reader, and what was hidden from him."""

    text: str
    hidden: str = ""
    """Hidden words and characters, tag characters spelled out as the letters they stand for; "" when nothing was hidden."""
    mojibake: bool = False


def repair(raw: str) -> Repaired:
    """Mends one text. Never raises; the result holds no control character but line break and tab."""
    # a mark at the very start is how some editors save a file, not a hiding place
    text, hidden = raw.removeprefix("\ufeff"), ""
    if _HTML.search(text):
        text, hidden = html_to_text(text)
    text = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    kept = _JOINED.sub(_JOINER_STAND_IN, text)
    characters = "".join(_HIDDEN.findall(kept))
    concealed = _spelled(characters)
    text = _HIDDEN.sub("", kept).replace(_JOINER_STAND_IN, "\u200d")
    mended = ftfy.fix_text(text, _FTFY) if not text.isascii() else text
    mended = unicodedata.normalize("NFC", _HIDDEN.sub(lambda m: "\u200d" if m[0] == "\u200d" else "", mended))
    return Repaired(
        mended.strip("\n") if mended.strip() else "",
        "\n".join(filter(None, (hidden, concealed))),
        mended != unicodedata.normalize("NFC", text),
    )


def _spelled(characters: str) -> str:
    """Tag characters as the ASCII they shadow; others by number and name, each once."""
    tags = "".join(chr(ord(c) - 0xE0000) for c in characters if 0xE0020 <= ord(c) <= 0xE007E)
    others = dict.fromkeys(c for c in characters if not 0xE0000 <= ord(c) <= 0xE0FFF)
    names = ", ".join(f"U+{ord(c):04X}" for c in others)
    return "\n".join(filter(None, (tags, names)))


def hidden_text_signals(messages: Sequence[Message]) -> tuple[Signal, ...]:
    """A signal `hidden_text` for every message that carried text which its reader could not see."""
    return tuple(Signal("hidden_text", m.hidden[:200], Span(i, 0, 0)) for i, m in enumerate(messages) if m.hidden)


# --- HTML ----------------------------------------------------------------------------------------------------------

_BLOCKS: Final = frozenset(
    "p div br tr table ul ol li h1 h2 h3 h4 h5 h6 blockquote pre hr section article header footer address dl dt dd".split()
)
_VOID: Final = frozenset("br hr img meta link input area base col embed source track wbr".split())
_SILENT: Final = frozenset({"head", "title", "style", "script", "noscript", "template", "svg", "iframe", "object"})
_INVISIBLE: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|font-size\s*:\s*0*(?:\.0+|[01](?:px|pt)?|0(?:\.\d+)?(?:px|pt|em|rem|%)?)\s*(?:;|!|$)|"
    r"opacity\s*:\s*0*(?:\.0+)?\s*(?:;|!|$)|max-height\s*:\s*0|mso-hide\s*:\s*all|text-indent\s*:\s*-\d{3,}|(?:left|top)\s*:\s*-\d{3,}px|"
    r"(?<![-\w])color\s*:\s*(?:#fff(?:fff)?\b|white\b|transparent\b|rgba?\(\s*255\s*,\s*255\s*,\s*255)",
    re.IGNORECASE,
)
_BACKGROUND: Final = re.compile(
    r"background(?:-color)?\s*:\s*(?!white|#fff(?:fff)?\b|transparent|none)[#\w]", re.IGNORECASE
)


_COMMENT: Final = re.compile(r"<!--(.*?)(?:-->|\Z)", re.DOTALL)
_NO_TAG: Final = re.compile(r"<(?!!--)(?![^<>]{0,5000}>)")
"""A tag that never ends, or not before the next begins."""
_MACHINE_COMMENT: Final = re.compile(r"\s*(?:\[if|\[endif|<!\[endif|StartFragment|EndFragment)")


class _Reader(HTMLParser):
    """Collects what is shown and what is hidden."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.shown: list[str] = []
        self.hidden: list[str] = []
        self.open: list[tuple[str, str]] = []
        """Open elements with how they show their text: "shown", "hidden" or "silent"."""
        self.quotes = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        outer = self.open[-1][1] if self.open else "shown"
        values = {k: v or "" for k, v in attrs}
        if tag in _BLOCKS and outer == "shown":
            self._break()
        if tag == "blockquote":
            self.quotes += 1
        if tag in _VOID or len(self.open) > 500:
            return
        style = values.get("style", "")
        invisible = bool(_INVISIBLE.search(style)) and not (
            "color" in style and _BACKGROUND.search(style) and "none" not in style
        )
        white = values.get("color", "").lower() in {"white", "#fff", "#ffffff"} or values.get("size") == "0"
        how = outer
        if outer == "shown":
            how = "silent" if tag in _SILENT else "hidden" if invisible or white or "hidden" in values else "shown"
        self.open.append((tag, how))

    def handle_endtag(self, tag: str) -> None:
        if any(name == tag for name, _ in self.open):
            while self.open and self.open.pop()[0] != tag:
                pass
        if tag == "blockquote" and self.quotes:
            self._break()
            self.quotes -= 1
        elif tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        how = self.open[-1][1] if self.open else "shown"
        pre = any(name == "pre" for name, _ in self.open[-5:])
        if how == "shown":
            words = data if pre else re.sub(r"[ \t\r\n]+", " ", data)
            if words.strip() and self.quotes and (not self.shown or self.shown[-1].endswith("\n")):
                self.shown.append("> " * min(self.quotes, 5))
            if words.strip() or (self.shown and not self.shown[-1].endswith(("\n", " "))):
                self.shown.append(words)
        elif how == "hidden" and data.strip():
            self.hidden.append(" ".join(data.split()))

    def _break(self) -> None:
        if self.shown and not "".join(self.shown[-2:]).endswith("\n\n"):
            self.shown.append("\n")


def html_to_text(html: str) -> tuple[str, str]:
    """(text as shown, text that was hidden). Quoted blocks get `> `, so that later steps know them."""
    reader = _Reader()

    def comment(m: re.Match[str]) -> str:
        # conditional comments of mail programs hold no words for anybody
        if m[1].strip() and not _MACHINE_COMMENT.match(m[1]):
            reader.hidden.append(" ".join(m[1].split()))
        return ""

    try:
        # the parser takes quadratic time for comments and tags that never end
        reader.feed(_NO_TAG.sub("&lt;", _COMMENT.sub(comment, html)))
        reader.close()
    except (AssertionError, ValueError):
        # a broken marked section stops the parser: what is left is read as plain text
        reader.shown.append(re.sub(r"<[^<>]{0,2000}>", " ", html[reader.getpos()[1] :]))
    text = re.sub(r"[ \t]+\n", "\n", "".join(reader.shown).replace("\u00a0", " "))
    return re.sub(r"\n{3,}", "\n\n", text).strip(), "\n".join(reader.hidden)
