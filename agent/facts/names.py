"""Names of people in a draft: greeted, titled, signing, or given by a first name that people bear."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Final

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
FIRST_NAMES: Final = frozenset(_FIRST.split())
"""First names, folded, that are hardly ever anything else."""
_GREETINGS: Final = frozenset(
    [
        "dear",
        "hello",
        "hi",
        "hey",
        "hallo",
        "liebe",
        "lieber",
        "moin",
        "tag",
        "morgen",
        "abend",
        "geehrte",
        "geehrter",
        "bonjour",
        "bonsoir",
        "cher",
        "chere",
        "salut",
        "hola",
        "estimado",
        "estimada",
        "querido",
        "querida",
        "buongiorno",
        "buonasera",
        "gentile",
        "ciao",
        "salve",
        "caro",
        "cara",
        "beste",
        "geachte",
        "dag",
        "goedemorgen",
        "goedemiddag",
        "ola",
        "prezado",
        "prezada",
        "bom",
        "dias",
    ]
)
_TITLES: Final = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "mx",
        "dr",
        "prof",
        "herr",
        "herrn",
        "frau",
        "madame",
        "monsieur",
        "mme",
        "mlle",
        "senor",
        "senora",
        "signor",
        "signora",
        "signore",
        "sra",
        "mevrouw",
        "meneer",
        "mijnheer",
        "senhor",
        "senhora",
        "sig",
        "kollegin",
        "kollege",
        "kundin",
        "kunde",
        "mitarbeiterin",
        "mitarbeiter",
        "colleague",
    ]
)
_NOBODY: Final = frozenset(
    [
        "there",
        "all",
        "everyone",
        "everybody",
        "team",
        "customer",
        "customers",
        "client",
        "sir",
        "madam",
        "friend",
        "folks",
        "neighbour",
        "damen",
        "herren",
        "kundin",
        "kunde",
        "kunden",
        "zusammen",
        "you",
        "to",
        "und",
        "and",
        "or",
        "from",
        "for",
        "the",
        "a",
        "an",
        "is",
        "are",
        "we",
        "i",
        "it",
        "at",
        "in",
        "on",
        "in's",
        "wir",
        "sie",
        "ich",
        "ihr",
        "ihre",
        "ihrem",
        "ihren",
        "ihnen",
        "unser",
        "unsere",
        "support",
        "service",
        "care",
        "desk",
        "kundenservice",
        "kundendienst",
        "kundenbetreuung",
        "shop",
        "store",
        "cliente",
        "clienti",
        "clientes",
        "client",
        "klant",
        "klanten",
        "cliente",
        "e",
        "et",
        "y",
        "o",
        "ou",
        "la",
        "le",
        "equipe",
        "equipo",
        "squadra",
        "reader",
        "guest",
        "member",
        "thanks",
        "thank",
        "danke",
        "dank",
        "again",
        "nochmals",
        "erneut",
    ]
)
_PARTICLES: Final = frozenset("van von di du da dos zu ter ten bin mc del della".split())  # noqa: SIM905
_ARTICLES: Final = frozenset("der den de la le".split())  # noqa: SIM905
_CLOSING: Final = re.compile(
    r"(?:regards|wishes|thanks|sincerely|faithfully|cheers|yours|warmly|grussen?|grusse|gruss|cordialement|salutations|saludo|saludos|"
    r"atentamente|saluti|groeten?|cumprimentos|atenciosamente)\b"
)
_PROPER: Final = frozenset(
    [
        "royal",
        "mail",
        "deutsche",
        "post",
        "parcel",
        "force",
        "google",
        "apple",
        "pay",
        "paypal",
        "visa",
        "mastercard",
        "american",
        "express",
        "trading",
        "standards",
        "united",
        "kingdom",
        "great",
        "britain",
        "new",
        "year",
        "christmas",
        "eve",
        "black",
        "friday",
        "consumer",
        "rights",
        "citizens",
        "advice",
        "customer",
        "care",
        "service",
        "support",
        "team",
        "help",
        "desk",
        "face",
        "time",
        "smart",
        "home",
        "europe",
        "european",
        "union",
        "order",
        "number",
        "good",
        "morning",
        "afternoon",
        "evening",
        "kind",
        "best",
        "warm",
    ]
)


def names(text: Text, language: str, known: Container[str]) -> Iterator[tuple[int, int]]:
    """Spans of people's names. `known` holds the folded words of the case's own records, which count only in a greeting or title."""
    raw, words, signed = text.raw, text.words, _signatures(text)
    i = 0
    while i < len(words):
        j = _name_at(raw, words, i, language, known, signed) if raw[words[i].start].isupper() else i
        if j > i:
            yield words[i].start, words[j - 1].end
            i = j
        else:
            i += 1


def _name_at(
    raw: str, words: tuple[Word, ...], i: int, language: str, known: Container[str], signed: frozenset[int]
) -> int:
    """Index behind the name that begins with word `i`, or `i`."""
    w = words[i]
    if w.folded in _NOBODY or w.folded in _TITLES:
        return i
    before = words[i - 1] if i else None
    gap = raw[before.end : w.start] if before else ""
    led = gap in _BLANKS or (before is not None and gap == ". " and before.end - before.start <= _ABBREVIATED)
    if led and before and before.folded in _TITLES:
        return _extent(raw, words, i)
    if led and before and before.folded in _GREETINGS and _opens_line(raw, words, i - 1):
        return _extent(raw, words, i)
    if w.start in signed:
        return _extent(raw, words, i) if w.folded not in known or w.folded in FIRST_NAMES else i
    end = _extent(raw, words, i)
    parts = [x.folded.removesuffix("'s") for x in words[i:end]]
    if parts[0] in FIRST_NAMES:
        return end
    if (
        language != "de"
        and gap in _BLANKS
        and end - i >= 2
        and not any(part in known for part in parts)
        and _PROPER.isdisjoint(parts)
    ):
        return end
    return i


_BLANKS: Final = frozenset({" ", "\u00a0"})
_ABBREVIATED: Final = 4
"""Titles up to so many letters may end in a full stop."""


def _extent(raw: str, words: tuple[Word, ...], i: int) -> int:
    """Index behind the capitalised words, at most four, that follow one another from word `i`."""
    j = i + 1
    while j < len(words) and j - i < 4 and re.fullmatch(r"[ \u00a0]|\. ?", raw[words[j - 1].end : words[j].start]):
        if raw[words[j - 1].end] == "." and words[j - 1].end - words[j - 1].start > 2:
            break
        w = words[j]
        led = w.folded in _PARTICLES or (w.folded in _ARTICLES and words[j - 1].folded in _PARTICLES)
        particle = led and j + 1 < len(words) and raw[words[j + 1].start].isupper()
        if not particle and (not raw[w.start].isupper() or w.folded in _NOBODY or w.end - w.start < 2):
            break
        j += 1
    return j


def _opens_line(raw: str, words: tuple[Word, ...], i: int) -> bool:
    """Whether word `i` stands in the first three words of its line."""
    start = raw.rfind("\n", 0, words[i].start) + 1
    return len(raw[start : words[i].start].split()) <= 2


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
