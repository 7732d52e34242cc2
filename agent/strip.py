"""What in a message is the writer's own text, and what is greeting, quote, signature or small print around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from agent.entities.people import CLOSING

SegmentKind: TypeAlias = Literal["body", "greeting", "quote", "signature", "footer", "forwarded_header"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch [start, end) of a text and what it is; the segments of a text cover it completely, in order."""

    kind: SegmentKind
    start: int
    end: int


_I: Final = re.IGNORECASE
_WROTE: Final = re.compile(
    r"^[ \t>*]{0,8}(?:"
    r"(?:On|At|Am|Le|El|Il giorno|Il|Op|Em|A|Den|Dia|W dniu) (?=[^\n]{0,80}\d)[^\n]{4,160}(?:\n[^\n]{0,160}){0,4}?"
    r"(?:wrote|schrieb|geschrieben|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napisał\(?a?\)?)\b[^\n:]{0,160}(?:\n[^\n:]{0,120})?:"
    r"|(?:At|On) [^\n]{4,60}\d[^\n]{0,60}, (?:you|i|we) wrote:"
    r"|\d{4}[-/.]\d\d?[-/.]\d\d?[^\n<]{0,60}<[^\n<>@]{1,64}@[^\n<>@]{3,80}>:?"
    r"|[^\n<]{2,80}<[^\n<>@]{1,64}@[^\n<>@]{3,80}>\s(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu)[^\n:]{0,80}"
    r"(?:\n?[^\n]{0,60}):"
    r"|(?:op|am|le) [^\n]{4,60}(?:schreef|schrieb|écrivait)[^\n]{0,100}:"
    r")[ \t]*$",
    _I | re.MULTILINE,
)
_MARK: Final = re.compile(
    r"^[ \t>*_-]{0,40}(?:original(?: message| appointment)|ursprüngliche nachricht|message d['’]origine|message original|mensaje original|"
    r"messaggio originale|oorspronkelijk bericht|mensagem original|reply above this line|write above this line|"
    r"(?:please )?(?:type|reply|write) (?:your reply )?above this line|bitte über dieser zeile antworten)[ \t*:_#-]{0,40}$",
    _I | re.MULTILINE,
)
_FORWARD: Final = re.compile(
    r"^[ \t>*_-]{0,40}(?:forwarded message|begin forwarded message|weitergeleitete nachricht|anfang der weitergeleiteten (?:e-?mail|nachricht)|"
    r"message transféré|message transmis|début du message (?:transféré|réexpédié)|mensaje reenviado|inicio del mensaje reenviado|"
    r"messaggio inoltrato|inizio messaggio inoltrato|doorgestuurd bericht|begin doorgestuurd bericht|mensagem encaminhada|"
    r"início da mensagem (?:encaminhada|reencaminhada))[ \t*:_-]{0,40}$",
    _I | re.MULTILINE,
)
_FIELD: Final = re.compile(
    r"^[ \t>*]{0,8}(?:from|sent|date|to|cc|bcc|subject|reply-to|importance|von|gesendet|datum|an|kopie|betreff|antwort an|wichtigkeit|"
    r"de|envoyé|date|à|objet|cc|répondre à|enviad[oa](?: el| em)?|fecha|para|asunto|da|inviato|data|a|oggetto|risposta|rispondi a|"
    r"van|verzonden|aan|onderwerp|assunto|från|skickat|till|ämne|fra|sendt|til|emne)\*{0,2} ?:\*{0,2}[ \t]?[^\n]{0,300}$",
    _I,
)
_FORWARD_SUBJECT: Final = re.compile(
    r"(?:subject|betreff|objet|asunto|oggetto|onderwerp|assunto)\*{0,2} ?:\*{0,2} ?(?:fwd?|wg|tr|rv|i|enc|doorst):", _I
)
_RULE: Final = re.compile(r"^[ \t]*[_=*~#+-]{5,}[ \t]*$")
_DELIMITER: Final = re.compile(r"^[ \t]*(?:--|—|––|__|-- )[ \t]*$")
_SENT_FROM: Final = re.compile(
    r"^[ \t>*_\[(]{0,6}(?:sent (?:from|via|with) (?:my |the )?|get outlook for|sent using|von meinem [\w -]{2,30} gesendet|gesendet (?:von|mit)|diese nachricht wurde von|"
    r"holen sie sich outlook|outlook für|envoyé (?:de|depuis|à partir)|obtenir outlook|télécharger outlook|enviado (?:desde|do|a partir|com)|obtener outlook|"
    r"inviato (?:da|dal)|scarica outlook|ottieni outlook|verzonden (?:vanaf|vanuit|met)|verstuurd vanaf|outlook voor|obter o outlook|"
    r"sendt fra|skickat från)\b[^\n]{0,120}$",
    _I,
)
_FOOTER: Final = re.compile(
    r"^[ \t>*_-]{0,6}(?:(?:this|the) (?:e-?mail|message|communication|transmission|information (?:contained )?in this)\b[^\n]{0,200}\b(?:confidential|intended|privileged|solely|scanned|analys)"
    r"|confidentiality (?:notice|note)|disclaimer:|diese (?:e-?mail|nachricht)\b[^\n]{0,120}\b(?:vertraulich|bestimmt|geprüft)|(?:der|die) inhalt dieser e-?mail|"
    r"ce (?:message|courriel|mail)\b[^\n]{0,120}\b(?:confidentiel|destiné|exclusive)|este (?:mensaje|correo|e-?mail)\b[^\n]{0,120}\b(?:confidencial|destinad|dirigid)|"
    r"(?:questo|il presente) (?:messaggio|e-?mail)\b[^\n]{0,120}\b(?:riservat|confidenzial|destinat|analizzat)|dit (?:bericht|e-?mail)\b[^\n]{0,120}\b(?:vertrouwelijk|bestemd)|"
    r"esta (?:mensagem|e-?mail)\b[^\n]{0,120}\b(?:confidencia|destina)|please (?:consider|think of) the environment|think before you print|bitte (?:denken|prüfen) sie[^\n]{0,60}(?:umwelt|ausdruck|gedruckt)|"
    r"pensez à l['’]environnement|(?:to )?unsubscribe\b|abmelden\b|you(?:'re| are) receiving this|sie erhalten diese (?:e-?mail|nachricht)|virus-free|virenfrei|"
    r"registered (?:in|office)|geschäftsführer:|sitz der gesellschaft|amtsgericht\b[^\n]{0,40}hrb|reply to this email directly|view it on git)",
    _I,
)
_HELLO: Final = (
    r"(?:hi|hello|hey|hiya|dear|good (?:morning|afternoon|evening|day)|greetings|to whom it may concern|hallo|guten (?:tag|morgen|abend)|sehr geehrte[rs]?|liebe[rs]?|moin(?: moin)?|"
    r"servus|grüß gott|grüezi|bonjour|bonsoir|salut|chère?s?|madame,? monsieur|hola|buen[oa]s (?:días|tardes|noches)|buen día|estimad[oa]s?|querid[oa]s?|ciao|buongiorno|buonasera|"
    r"salve|gentil[ei]|egregi[oa]|spett(?:\.|abile)|goede(?:n|mor)?(?:dag|morgen|middag|avond)|goedendag|goedemorgen|goedemiddag|hoi|dag|beste|geachte|olá|oi|bom dia|boa (?:tarde|noite)|"
    r"prezad[oa]s?|car[oa]s?|exm[oa]s?\.?)"
)
_GREETING_LINE: Final = re.compile(
    rf"\s{{0,9}}(?<!\w){_HELLO}(?!\w)(?:[^\n.,!?;:]{{0,50}}[,!:.]|(?: (?:(?-i:[A-ZÄÖÜ])[\w-]{{1,20}}|there|all|team|everyone|zusammen|und|and)){{0,4}})"
    r"[ \t]*(?:\n\s*|$)",
    _I,
)
_GREETING_START: Final = re.compile(rf"\s{{0,9}}(?<!\w){_HELLO}(?!\w)(?: [^\s,.!?\n]{{1,20}}){{0,4}}[,!][ \t]*", _I)
_PASS_ON: Final = re.compile(
    r"(?:fyi|f\.?y\.?i\.?|see below|please see below|pls see below|as below|siehe unten|s\.? ?u\.?|z\.? ?k\.?|zur info|zur kenntnis|voir ci-dessous|ver abajo|vedi sotto|zie onder|ver abaixo)[.! ]*",
    _I,
)
_NAME_LINES: Final = 8
"""Lines after "Kind regards" that may still belong to a signature."""


@dataclass(slots=True)
class _Line:
    start: int
    end: int
    text: str


def segments(text: str) -> tuple[Segment, ...]:
    """The parts of one message. What stands under a forward without own words is body, since nothing else is."""
    if not text:
        return ()
    kinds: list[SegmentKind] = ["body"] * len(text)
    _segment(text, 0, len(text), kinds)
    found: list[Segment] = []
    for i, kind in enumerate(kinds):
        if found and found[-1].kind == kind:
            continue
        if found:
            found[-1] = Segment(found[-1].kind, found[-1].start, i)
        found.append(Segment(kind, i, len(text)))
    return tuple(found)


def body(text: str) -> str:
    """The writer's own words alone."""
    return "".join(text[s.start : s.end] for s in segments(text) if s.kind == "body").strip()


def _lines(text: str, start: int, end: int) -> list[_Line]:
    lines: list[_Line] = []
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop + 1
        lines.append(_Line(start, stop, text[start:stop].rstrip("\r\n")))
        start = stop
    return lines


def _mark(kinds: list[SegmentKind], kind: SegmentKind, start: int, end: int) -> None:
    for i in range(start, end):
        kinds[i] = kind


def _segment(text: str, start: int, end: int, kinds: list[SegmentKind], depth: int = 0) -> None:
    lines = _lines(text, start, end)
    cut, forward, header_end = _history(text, lines, start, end)
    own_end = cut if cut is not None else end
    own = text[start:own_end]
    if cut is not None:
        empty = not own.strip() or bool(_PASS_ON.fullmatch(_without_frame(own)))
        if forward and empty and depth < 5:
            _mark(kinds, "forwarded_header", cut, header_end)
            _segment(text, header_end, end, kinds, depth + 1)
        elif not _inline(text, header_end, end, kinds, cut):
            _mark(kinds, "quote", cut, end)
    else:
        _quoted_lines(lines, kinds)
    _frame(text, start, own_end, kinds)


def _without_frame(own: str) -> str:
    """Own words without greeting, closing and "sent from" line, to see whether any are left."""
    kept = [
        ln for ln in own.splitlines() if ln.strip() and not _SENT_FROM.match(ln) and not _GREETING_LINE.fullmatch(ln)
    ]
    text = "\n".join(kept)
    closing = CLOSING.search(text)
    return (text[: closing.start()] if closing else text).strip()


def _history(text: str, lines: list[_Line], start: int, end: int) -> tuple[int | None, bool, int]:
    """Where the earlier mail begins (None without one), whether it is a forward, and where its header ends."""
    found: list[tuple[int, bool, int]] = []
    for pattern, forward in ((_WROTE, False), (_MARK, False), (_FORWARD, True)):
        if m := pattern.search(text, start, end):
            found.append((m.start(), forward, m.end()))
    if head := _head_of_quote(lines):
        found.append((head[0], False, head[1]))
    for i, line in enumerate(lines):
        if _FIELD.match(line.text):
            block = [ln for ln in lines[i : i + 8] if _FIELD.match(ln.text)]
            if len(block) >= 3 and _FIELD.match(lines[i + 1].text if i + 1 < len(lines) else ""):
                found.append((line.start, False, block[-1].end))
                break
    if not found:
        return None, False, end
    cut, forward, header_end = min(found)
    for line in lines:
        # the header fields under "---- Original Message ----" belong to the header
        if line.start >= header_end - 1 and line.start < header_end + 900 and line.text.strip():
            if not _FIELD.match(line.text):
                break
            header_end = line.end
    head = text[cut:header_end]
    forward = forward or bool(_FORWARD_SUBJECT.search(head)) or (not text[start:cut].strip() and _is_block(head))
    before = [ln for ln in lines if ln.end <= cut and ln.text.strip()]
    if before and _RULE.match(before[-1].text):
        cut = before[-1].start
    return cut, forward, header_end


def _head_of_quote(lines: list[_Line]) -> tuple[int, int] | None:
    """The one to three lines that end in a colon, name a time or an address, and stand right above the first `>`."""
    first = next((i for i, ln in enumerate(lines) if ln.text.lstrip().startswith(">")), None)
    above = [ln for ln in lines[max(0, (first or 0) - 6) : first or 0] if ln.text.strip()][-3:]
    if not above or not above[-1].text.rstrip().endswith(":"):
        return None
    for n in range(1, len(above) + 1):
        head = " ".join(ln.text for ln in above[-n:])
        if re.search(r"@|\d{1,2}:\d\d", head) and re.search(r"\d{4}|<", head):
            return above[-n].start, above[-1].end
    return None


def _is_block(head: str) -> bool:
    return sum(bool(_FIELD.match(ln)) for ln in head.splitlines()) >= 3


def _inline(text: str, header_end: int, end: int, kinds: list[SegmentKind], cut: int) -> bool:
    """Answers between or below quoted lines: only where the earlier mail is marked with `>` from its first line."""
    lines = _lines(text, header_end, end)
    first = next((ln for ln in lines if ln.text.strip()), None)
    if first is None or not first.text.lstrip().startswith(">"):
        return False
    _mark(kinds, "quote", cut, header_end)
    _quoted_lines(lines, kinds)
    answers = [i for i, ln in enumerate(lines) if ln.text.strip() and not ln.text.lstrip().startswith(">")]
    if answers:
        _frame(text, lines[answers[0]].start, end, kinds)
    return True


def _quoted_lines(lines: list[_Line], kinds: list[SegmentKind]) -> None:
    """Lines with `>`; an empty line between two of them is theirs."""
    quoted = [ln.text.lstrip().startswith(">") and not ln.text.lstrip().startswith(">_") for ln in lines]
    for i, line in enumerate(lines):
        between = not line.text.strip() and 0 < i < len(lines) - 1 and quoted[i - 1] and quoted[i + 1]
        if quoted[i] or between:
            _mark(kinds, "quote", line.start, line.end)


def _frame(text: str, start: int, end: int, kinds: list[SegmentKind]) -> None:
    """Greeting, signature and small print of the writer's own part."""
    lines = [ln for ln in _lines(text, start, end) if kinds[ln.start] == "body"]
    for i, line in enumerate(lines):
        if _FOOTER.match(line.text):
            # small print runs to the end of its paragraph
            for later in lines[i:]:
                if not later.text.strip() and later is not line:
                    break
                _mark(kinds, "footer", later.start, later.end)
        elif _SENT_FROM.match(line.text) and kinds[line.start] == "body":
            _mark(kinds, "signature", line.start, line.end)
    lines = [ln for ln in lines if kinds[ln.start] == "body"]
    sign = _signature(text, lines)
    if sign is not None:
        for line in lines:
            if line.end > sign:
                _mark(kinds, "signature", max(line.start, sign), line.end)
    if lines:
        first = next((ln for ln in lines if ln.text.strip()), lines[0])
        stop = sign if sign is not None else end
        m = _GREETING_LINE.match(text, first.start, stop) or _GREETING_START.match(text, first.start, stop)
        if m and m.end() <= stop:
            _mark(kinds, "greeting", first.start, m.end())


def _signature(text: str, lines: list[_Line]) -> int | None:
    """Where the signature begins: at `--`, or at the closing phrase of the last lines."""
    filled = [ln for ln in lines if ln.text.strip()]
    for ln in filled:
        if _DELIMITER.match(ln.text) and (ln is not filled[0] or ln.start > 0 or _visiting_card(filled[1:])):
            return ln.start
    for back, ln in enumerate(reversed(filled)):
        if back > _NAME_LINES:
            break
        m = CLOSING.match(ln.text.lstrip(" \t-*"))
        short = len(ln.text) < 60 and not re.search(r"\d{3}|\?", ln.text)
        followers = filled[len(filled) - back :]
        if m and short and _ends_letter(ln.text, followers) and (ln is not filled[0] or len(filled) > 1):
            return ln.start
    return None


def _visiting_card(lines: list[_Line]) -> bool:
    """Whether lines are a name with ways to reach it and no sentence."""
    plain = all(len(ln.text) < 70 and not ln.text.rstrip().endswith((".", "?", "!")) for ln in lines)
    return plain and any(_REACH.search(ln.text) for ln in lines)


_REACH = re.compile(r"@|\+\d|\b(?:tel|phone|fon|mobile?)\b", re.IGNORECASE)


def _ends_letter(line: str, after: list[_Line]) -> bool:
    """Whether a line with a closing phrase ends the letter: nothing but a name and how to reach it follows."""
    m = CLOSING.match(line.lstrip(" \t-*"))
    rest = line.lstrip(" \t-*")[m.end() :].strip(" ,.!-") if m else line
    if len(rest.split()) > 5 or (rest and rest[0].islower() and len(rest.split()) > 3):
        return False
    return all(len(ln.text) < 70 and not _SENTENCE.search(_SHORTENED.sub("", ln.text)) for ln in after)


_SENTENCE: Final = re.compile(r"[a-z]{2}[.?!](?:\s|$)")
_SHORTENED: Final = re.compile(
    r"\b(?:tel|fon|mob|mobil|ext|str|nr|no|inc|ltd|co|dr|prof|dipl|ing|dept|abt|ufficio|dir)\.", re.IGNORECASE
)
"""Words of a visiting card that end in a full stop and no sentence."""
