"""Names of people in a draft: greeted, titled, signing, or given by a first name that people bear."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import Final

from agent.facts.reader import words
from agent.facts.text import Text, Word

_FIRST: Final = (
    "aaron abdul abigail adam adrian agnes ahmed aisha alan albert alejandro alessandro alexander alexandra ali alice alicia alina "
    "amanda amelia amy ana andrea andreas andreia andrew angela anita anja anke ann anna anne annette annika antoine anton antonio "
    "arthur astrid barbara beatrice beatriz ben benjamin bernd bernhard bianca birgit bjorn brian bruno camille carla carlos carmen "
    "carol caroline catarina caterina catherine cecile charles charlotte chiara chloe christian christina christine christoph "
    "christopher claire clara claudia colin craig cristina dagmar daniel daniela dave david deborah denise dennis derek diana diego dieter "
    "dirk dominik donna doris dorothy douglas duarte edward eileen elena eleonora eliane elisabeth elizabeth ella ellen emily emma "
    "enrico eric erik erika esther eva evelyn fabian fatima federico felix ferdinand fernando fiona florian francesca francesco "
    "francisco franz frederic fritz gabriel gabriele gareth gary georg george gerald gerda gerhard gianni giorgio giovanni giulia "
    "giuseppe graham greta guido guillaume gustav hanna hannah hans harald harry hassan heather heidi heike heinrich heinz helen "
    "helena helga helmut henri henrik henry herbert holger horst howard hugo ian ibrahim ines ingrid irene iris isabel isabella "
    "ivan jack jacqueline jakob james jan jana jane janet jason javier jean jennifer jens jeremy jessica joan joanna joao joaquin "
    "jochen joe johan johanna johannes john jonas jonathan jorge jose josef joseph josh joshua juan judith julia julian julie jurgen "
    "justin karen karin karl karsten katharina katherine kathleen katie katja katrin keith kelly kerstin kevin kim kirsten klara "
    "klaus kurt lara lars laura lauren laurent lea lena leon leonie liam linda lisa lorenzo louis louise luca lucas lucia lucie "
    "lucy luis luisa lukas luke luzia maarten magdalena manfred manuel marc marcel marco marcus margaret margarethe maria marie mario "
    "marion markus marlene marta martha martin martina mary mateo mathilde matteo matthew matthias maurice max maximilian megan "
    "mehmet melanie melissa michael michel michele michelle miguel mohamed mohammed monica monika moritz mustafa nadine nadja "
    "nancy natalia natalie neil nicholas nick nicola nicolas nicole niels nikolaus nils nina noah nora norbert oliver olivia "
    "omar oscar oskar otto owen pablo paola paolo patricia patrick paul paula pauline pedro penelope peter petra philip "
    "philipp philippe pierre priya rachel rafael rainer ralf ralph raphael rebecca regina reinhard renate rene ricardo "
    "richard rita robert roberto roger roland rolf rosemary rudolf russell ruth ryan sabine sabrina salma samantha samir "
    "samuel sandra sara sarah sascha sean sebastian sergio shirley silke silvia simone sofia sonja sophia sophie stefan "
    "stefanie stella stephan stephanie stephen steve steven stuart susan susanne suzanne sven svenja sylvia tamara tanja tara "
    "teresa theo theodor theresa thomas tiago tim timothy tina tobias todd torsten tracy udo ulrich ulrike ursula ute valentina "
    "valerie vanessa vera veronica victoria viktor vincent vincenzo walter wei werner wilhelm william wolfgang yannick yusuf yvonne zoe"
)  # fmt: skip
FIRST_NAMES: Final = words(_FIRST)
"""First names, folded, that are hardly ever anything else."""
_GREETINGS: Final = words(
    "dear hello hi hey hallo liebe lieber moin tag morgen abend geehrte geehrter bonjour bonsoir cher chere salut "
    "hola estimado estimada querido querida buongiorno buonasera gentile ciao salve caro cara beste geachte dag "
    "goedemorgen goedemiddag ola prezado prezada bom dias"
)
_TITLES: Final = words(
    "mr mrs ms miss mx dr prof herr herrn frau madame monsieur mme mlle senor senora signor signora signore sra "
    "mevrouw meneer mijnheer senhor senhora sig kollegin kollege kundin kunde mitarbeiterin mitarbeiter colleague"
)
_NOBODY: Final = words(
    "there all everyone everybody team customer customers client sir madam friend folks neighbour damen herren "
    "kundin kunde kunden zusammen you to und and or from for the a an is are we i it at in on in's wir sie ich "
    "ihr ihre ihrem ihren ihnen unser unsere support service care desk kundenservice kundendienst kundenbetreuung "
    "shop store cliente clienti clientes client klant klanten cliente e et y o ou la le equipe equipo squadra "
    "reader guest member thanks thank danke dank again nochmals erneut"
)
_PARTICLES: Final = frozenset({"van", "von", "di", "du", "da", "dos", "zu", "ter", "ten", "bin", "mc", "del", "della"})
_ARTICLES: Final = frozenset({"der", "den", "de", "la", "le"})
_CLOSING: Final = re.compile(
    r"(?:regards|wishes|thanks|sincerely|faithfully|cheers|yours|warmly|grussen?|grusse|gruss|cordialement|salutations|saludo|saludos|"
    r"atentamente|saluti|groeten?|cumprimentos|atenciosamente)\b"
)
_PROPER: Final = words(
    "royal mail deutsche post parcel force google apple pay paypal visa mastercard american express trading "
    "standards united kingdom great britain new year christmas eve black friday consumer rights citizens advice "
    "customer care service support team help desk face time smart home europe european union royaume uni reino unido regno unito verenigd koninkrijk order number good "
    "morning afternoon evening kind best warm"
)


def names(text: Text, language: str, known: Container[str]) -> Iterator[tuple[int, int]]:
    """Spans of people's names.

    `known` holds the folded words of the case's own records: two of them side by side are no name unless they are
    greeted, titled or signing. German writes every noun like a name, so there two capitals alone are none.
    """
    raw, written, signed, i = text.raw, text.words, _signatures(text), 0
    for at, w in enumerate(written):
        if at < i or not raw[w.start].isupper() or w.folded in _NOBODY or w.folded in _TITLES:
            continue
        before = written[at - 1] if at else None
        led = (
            before is not None and (before.folded in _GREETINGS or before.folded in _TITLES) and _led(raw, written, at)
        )
        if not (led or w.start in signed or w.folded.removesuffix("'s") in FIRST_NAMES or language != "de"):
            continue
        end = _extent(raw, written, at)
        parts = [x.folded.removesuffix("'s") for x in written[at:end]]
        alone = not led and w.start not in signed and parts[0] not in FIRST_NAMES
        if alone and (
            end - at < _PAIR or not _inside(raw, before, w) or not _PROPER.isdisjoint(parts) or _any(parts, known)
        ):
            continue
        if w.start in signed and not led and parts[0] in known and parts[0] not in FIRST_NAMES:
            continue
        yield w.start, written[end - 1].end
        i = end


_PAIR: Final = 2
_BLANKS: Final = frozenset({" ", "\u00a0"})
_ABBREVIATED: Final = 4
"""Titles up to so many letters may end in a full stop."""


def _any(parts: Iterable[str], known: Container[str]) -> bool:
    return any(part in known for part in parts)


def _inside(raw: str, before: Word | None, w: Word) -> bool:
    """Whether a word stands inside a sentence: its capital then means something."""
    return before is not None and raw[before.end : w.start] in _BLANKS


def _led(raw: str, written: tuple[Word, ...], i: int) -> bool:
    """Whether the greeting or title before word `i` belongs to it."""
    before, gap = written[i - 1], raw[written[i - 1].end : written[i].start]
    if before.folded in _GREETINGS and before.folded not in _TITLES:
        start = raw.rfind("\n", 0, before.start) + 1
        return gap in _BLANKS and len(raw[start : before.start].split()) <= _OPENING
    return gap in _BLANKS or (gap == ". " and before.end - before.start <= _ABBREVIATED)


_OPENING: Final = 2
"""A greeting stands among the first three words of its line."""


def _extent(raw: str, written: tuple[Word, ...], i: int) -> int:
    """Index behind the capitalised words, at most four, that follow one another from word `i`."""
    j = i + 1
    while j < len(written) and j - i < _MOST:
        left, w = written[j - 1], written[j]
        gap = raw[left.end : w.start]
        if gap not in _BLANKS and not (gap in {".", ". "} and left.end - left.start <= _INITIAL):
            break
        led = w.folded in _PARTICLES or (w.folded in _ARTICLES and left.folded in _PARTICLES)
        particle = led and j + 1 < len(written) and raw[written[j + 1].start].isupper()
        if not particle and (not raw[w.start].isupper() or w.folded in _NOBODY or w.end - w.start < _INITIAL):
            break
        j += 1
    return j


_MOST: Final = 4
_INITIAL: Final = 2


def _signatures(text: Text) -> frozenset[int]:
    """Where the lines right below a closing phrase begin, without blanks and dashes."""
    starts: set[int] = set()
    for m in _CLOSING.finditer(text.folded):
        line_end = text.raw.find("\n", m.end() - 1)
        if line_end < 0 or text.raw[m.end() : line_end].strip(" ,.!"):
            continue
        at = line_end
        while at < len(text.raw) and text.raw[at] in " \n\r\t-–~":
            at += 1
        starts.add(at)
    return frozenset(starts)
