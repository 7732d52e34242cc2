"""Names of people: the writer's own, those spoken to, and the one in the customer record."""

from __future__ import annotations

import re
from typing import Final

from agent.entities.scan import RELATIONS, Scan, words

_PART: Final = r"(?:[A-ZÄÖÜÉÈÀÁÍÓÚÑÇŁŚØÅ][\w’'-]{1,24}|[A-Z]\.)"
_FULL: Final = (
    rf"({_PART}(?: (?:(?:de|van|von|der|den|del|della|da|dos|di|le|la|zu|ten|ter|el|al|bin) ){{0,2}}{_PART}){{0,3}})"
)
_INTRODUCED: Final = re.compile(
    r"(?i:\b(?:my name(?:'s| is)|name on (?:the )?(?:order|account|card)(?: is|:)?|mein name ist|ich hei(?:ß|ss)e|mein name:|hier (?:ist|schreibt)|"
    r"je m['’]appelle|mon nom est|me llamo|mi nombre es|mi chiamo|il mio nome è|mijn naam is|ik heet|meu nome é|o meu nome é|chamo-me|me chamo|"
    r"(?:spoke|speaking|talked|chatted) (?:to|with)|told by|gesprochen mit|telefoniert mit|parlé (?:à|avec)|hablé con|parlato con|gesproken met|falei com|"
    r"in the name of|au nom de|a nombre de|a nome di|a nome de|em nome de|op naam van|auf den namen|"
    r"(?:colleague|agent|advisor|adviser|manager|representative|rep|employee|driver|courier|kolleg(?:e|in)|mitarbeiter(?:in)?|collègue|compañer[oa]|collega|colega)"
    r"(?: called| named| namens)?|(?:name|kontoinhaber|account holder|cardholder|nom|nombre|nome|naam):)\s{1,2}"
    r"(?:(?:mr|mrs|ms|miss|dr|herr|herrn|frau|m|mme|sr|sra|señora?|sig|sig\.?ra|signora?|mevr|mevrouw|meneer|senhora?)\b\.? )?)"
    + _FULL
)
_INTRODUCTIONS: Final = (
    "name", "naam", "nome", "nom ", "nombre", "hier ", "heiß", "heiss", "appelle", "llam", "chiam", "heet", "chamo", "spoke", "speak", "talk", "chatted", "told by", "sproch", "telefon",
    "parl", "habl", "sproken", "falei", "colle", "kolleg", "agent ", "advis", "manager", "rep ", "representative", "employee", "driver", "courier", "mitarbeiter", "compañ", "colega", "holder", "inhaber",
)  # fmt: skip
"""One of these stands in every introduction: looking for them first is faster."""
_LOWER: Final = re.compile(
    r"\b(?:my name is|mein name ist|je m['’]appelle|me llamo|mi chiamo|mijn naam is|meu nome é) ([a-zäöü]{2,20}(?: [a-zäöü]{2,20})?)"
    r"(?=[.,!?\n]|$| and\b| und\b)",
    re.IGNORECASE,
)
_I_AM: Final = re.compile(
    rf"(?:\b(?:I am|I'm|I’m|[Tt]his is|[Ii]t's|[Ii]t’s|[Ii]ch bin(?= \S+ [A-ZÄÖÜ])|Ik ben|Soy|Sono|Je suis|Sou|"
    rf"(?:je suis|soy|sono|sou|ik ben)(?= \S+ [A-ZÄÖÜÉÁÍÓÚÑÇ]))) {_FULL}"
    r"(?=[,.!\n]| (?:and|from|und|aus|here|again|writing|von|uit|de|di|da|i|speaking)\b)"
)
_HERE: Final = re.compile(rf"(?:^|[.!,\n] ?){_FULL} (?:here|hier|speaking)\b(?=[ ,.!:;-]|$)")
_TITLED: Final = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Herrn?|Frau|Mme|Mlle|Monsieur|Madame|Maître|Sra?|Señora?|señora?|Dña|Doña|[Ss]ig\.?ra|[Ss]ig|[Ss]ignora?|Dott\.?(?:ssa)?|Avv|"
    rf"Dhr|Mevr|Mevrouw|mevrouw|Meneer|meneer|heer|[Ss]enhora?|Dra|Eng|Prof)\b[.ª]{{0,2}} {_FULL}"
)
_FRENCH_TITLED: Final = re.compile(rf"(?<![\w.])(?:Me|M\.) {_FULL}")
"""Titles that mean something else in other languages."""
_OF_MINE: Final = re.compile(rf"\b(?i:{RELATIONS}),? {_FULL}")
_OF_SERVICE: Final = re.compile(
    rf"(?<!\w){_FULL} (?:from (?:your )?customer|du service|de votre service|de atención|del servicio|de su equipo|dell['’]assistenza|"
    r"del servizio|van (?:de|jullie) (?:klantenservice|helpdesk)|do (?:apoio|atendimento|suporte)|da vossa equipa)\b"
)
_GREETED: Final = re.compile(
    rf"(?:^|\n)[ \t]{{0,3}}(?:Dear|Hi|Hello|Hey|Hallo|Hi there|Guten (?:Tag|Morgen|Abend)|Liebe[r]?|Moin|Bonjour|Salut|Chère?|Hola|Buenos días|Querid[oa]|Estimad[oa]|"
    rf"Ciao|Buongiorno|Gentile|Salve|Beste|Hoi|Dag|Geachte|Olá|Car[oa]|Prezad[oa]|Bom dia) {_FULL}(?=\s?[,!:\n–-]|$)"
)
_CLOSING_WORD: Final = words(
    "kind regards|best regards|warm regards|regards|best wishes|best|many thanks|thanks|thank you|thx|cheers|yours sincerely|sincerely|yours faithfully|yours|love|respectfully",
    "mit freundlichen grüßen|mit freundlichen gruessen|mit freundlichem gruß|mit lieben grüßen|mit besten grüßen|grüßen|grüsse|freundliche grüsse|viele grüsse|freundliche grüße|viele grüße|liebe grüße|beste grüße|herzliche grüße|schöne grüße|grüße|gruß|mfg|vg|lg|danke|vielen dank|hochachtungsvoll",
    "cordialement|bien cordialement|cdlt|cdt|bàv|sincères salutations|bien à vous|merci|salutations|un saludo|saludos|saludos cordiales|atentamente|gracias|cordiali saluti|distinti saluti|saluti|un saluto|grazie|grazie mille",
    "met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|groet|groeten|groetjes|mvg|bedankt|alvast bedankt|atenciosamente|com os melhores cumprimentos|cumprimentos|melhores cumprimentos|obrigado|obrigada|abraço|abraços|cordialmente",
)
CLOSING: Final = re.compile(rf"(?<![^\W_])(?i:{_CLOSING_WORD})(?![^\W_])")
"""A phrase that ends a letter."""
_SIGNED: Final = re.compile(
    rf"(?<![^\W_])(?i:{_CLOSING_WORD})(?: (?:aus|von|vom|from|de|da|uit)(?: der| dem)? \w{{2,20}})?(?:[,.!;:–-]|\s){{1,5}}(?:- ?)?{_FULL}(?=\s{{0,9}}(?:$|\n|[.,!(|/]))"
)
_LAST_LINE: Final = re.compile(
    rf"(?:(?:(?<!\d)|(?<=\d\d))[.!?] {{1,2}}|\n[ \t]{{0,3}}[-–~]?[ \t]?|[.!?]\s?[-–] ?){_FULL}(?=[,.]?\s{{0,9}}(?:$|[,|] \S+@|, (?:tel|tél|tlm|tlf|móvil|mob|cell)|,?(?: [—–-])? (?:\+|\(?0)\d))"
)
_OWN_LINE: Final = re.compile(rf"\n[ \t]{{0,3}}\n[ \t]{{0,3}}{_FULL}(?=[ \t]{{0,3}}\n)")
"""A line with nothing but a name, behind a blank one: the head of a signature, near the end of a letter."""
_BEFORE_CONTACT: Final = re.compile(rf", {_FULL}(?=, (?:\+|\(?0)\d)")
_ABOVE_TOWN: Final = re.compile(
    rf"(?:[.!?,]|\n)[ \t]{{0,3}}\n[ \t]{{0,3}}{_FULL}\n[ \t]{{0,3}}{_PART}(?:[ -]{_PART}){{0,2}}(?:, [A-Z]{{2}})?\s{{0,20}}\Z"
)
_NOT_NAMES: Final = frozenset(
    "team support customer service sir madam all there everyone everybody folks guys help desk staff sales info admin care "
    "damen herren mobile phone tel telephone telefon handy mobil email mail fax  kundenservice kundendienst zusammen alle leute support-team service-team händler shop store "
    "i it my the this that you your we they he she please thank thanks thx cheers order no yes not and but if so what "
    "when where why how who is are was were can could will would should do does did has have had never nobody nothing just now "
    "ich wir sie es das der die ein eine mein meine bitte danke nicht und aber was wo wann wie "
    "je vous nous merci service-client client clientes cliente equipo équipe equipe squadra gracias grazie bedankt obrigado "
    "ihr ihre dein deine herr frau miss your yours "
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september "
    "october november december today tomorrow yesterday montag dienstag mittwoch donnerstag freitag samstag sonntag "
    "order orders refund help urgent still again help! regards best sent from ceo manager owner mr mrs ms dr fyi asap ok okay "
    "bestellung bestellnummer ticket rma non nein oui si sí não ref invoice rechnung commande pedido ordine "
    "germany england london berlin france spain italy uk usa dhl ups dpd gls evri hermes fedex amazon paypal visa mastercard "
    "god heaven auftrag vertretung im really honestly seriously unbelievable pathetic appalling anyway obviously goodbye bye cancel replace reply sort fix call disgraceful shame enough perfect yours unacceptable ridiculous disappointed angry furious good fine great broken new sorry".split()
)  # fmt: skip

_SIGNATURE: Final = 160
"""Characters at the end of a letter in which its signature stands."""
_BEFORE_NAMES: Final = frozenset("ihr ihre dein deine mr mrs ms miss dr herr frau your yours".split())
"""Words that may stand before a name and are not part of it."""


def people(scan: Scan, known: str, not_people: frozenset[str]) -> None:
    """Names of people. `known` is the customer record's name; `not_people` are lower-case words that are never a name."""
    text = scan.text
    if known:
        _known(scan, known)
    lower = text.lower()
    introduced = any(hint in lower for hint in _INTRODUCTIONS)
    for form in (
        *((_INTRODUCED,) if introduced else ()),
        _I_AM,
        _HERE,
        _TITLED,
        _OF_MINE,
        _OF_SERVICE,
        _GREETED,
        _SIGNED,
        _ABOVE_TOWN,
    ):
        for m in form.finditer(text):
            _add(scan, m, not_people)
    for m in _FRENCH_TITLED.finditer(text) if scan.language == "fr" else ():
        _add(scan, m, not_people)
    for m in _LOWER.finditer(text) if introduced else ():
        first = m[1].split()[0].lower()
        if first not in _NOT_NAMES and first not in {"on", "in", "attached", "spelled", "correct", "wrong"}:
            scan.add("name", m[1], *m.span(1))
    if not any(e.kind == "name" and e.span.end > len(text) - _SIGNATURE for e in scan.found):
        for m in _OWN_LINE.finditer(text, max(0, len(text) - _SIGNATURE)):
            if " " in m[1]:
                _add(scan, m, not_people)
    if not any(e.kind == "name" and e.span.end > len(text) - 40 for e in scan.found):
        for form in (_LAST_LINE, _BEFORE_CONTACT):
            for m in form.finditer(text):
                _add(scan, m, not_people)


def _add(scan: Scan, m: re.Match[str], not_people: frozenset[str]) -> None:
    """Claims the name in group 1, cut before the first word that cannot be part of one."""
    end, start = m.start(1), m.start(1)
    for part in re.finditer(r"\S+", m[1]):
        word = part[0].rstrip(".,'’").lower().removesuffix("'s").removesuffix("’s")
        if not _NOT_NAMES.isdisjoint({word, *word.split("-")}) or not not_people.isdisjoint({word, *word.split("-")}):
            if end > start or word not in _BEFORE_NAMES:
                break
            start = end = m.start(1) + part.end() + 1
            continue
        end = m.start(1) + part.end()
    name = scan.text[start:end]
    tail = re.search(r"(?:['’]s|[.'’-])$", name)
    if tail and not re.search(r"\b[A-Z]\.$", name):
        end -= len(tail[0])
        name = scan.text[start:end]
    if len(name) >= 2 and name[0].isupper() and not (name.isupper() and " " not in name):
        scan.add("name", name, start, end)


def _known(scan: Scan, name: str) -> None:
    """Every place where the customer's full name, surname or first name stands."""
    parts = [p for p in re.split(r"[\s,]+", name.strip()) if len(p) > 2 and p.lower() not in _NOT_NAMES]
    whole = re.escape(name.strip())
    for pattern in dict.fromkeys([whole, *map(re.escape, parts)]):
        flags = re.IGNORECASE if pattern == whole else re.NOFLAG
        for m in re.finditer(rf"(?<!\w){pattern}(?!\w)", scan.text, flags):
            scan.add("name", m[0], *m.span())
