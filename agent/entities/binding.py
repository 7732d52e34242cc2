"""What the words around a day say of it: whether it is past or to come, and whether it binds."""

from __future__ import annotations

import re
from typing import Final

from agent.entities.scan import words

_I: Final = re.IGNORECASE
_PAST: Final = re.compile(
    r"\b(?:(?:was|were) (?:due|expected|meant|promised)|was|were|had|did|didn|been|'ve|came|got|went|said|told|sent|bought|took|gave|made|wrote|spoke|paid|"
    r"left|since|supposed|should have|last|ago|\w{3,14}ed|"
    r"war|waren|wurde|wurden|hat|hatte|hatten|habe|haben|kam|kamen|ist an|sollte|sollten|seit|\w{0,12}ge\w{3,12}t|sagte|stand|vom|"
    r"était|étaient|ai|avez|avons|devait|depuis|est arrivée?|a été|llegó|compré|pagué|era|fue|desde|he|han|"
    r"è arrivat[oa]|ho|avete|doveva|da|kwam|heb|hebben|heeft|zou|was|sinds|chegou|comprei|paguei|foi|devia|desde)\b",
    _I,
)
_FUTURE: Final = re.compile(
    r"\b(?:will|'ll|going|need|needs|by|until|till|til|before|leave|leaves|leaving|fly|flying|flies|travel|starts?|is on|is this|are on|"
    r"deadline|due|expires?|arriving|want|expect|must|otherwise|latest|is|are|"
    r"wird|werden|soll|sollen|muss|müssen|brauche|brauchen|bis|spätestens|vor|fliegen|reisen|verreisen|erwarte|findet|geht|ist|sind|"
    r"avant|jusqu|besoin|part|pars|partons|sera|est|faut|hasta|antes|necesito|será|es|salgo|entro|prima|serve|sarà|parto|"
    r"voor|vóór|uiterlijk|nodig|wordt|zal|até|preciso|é|è)\b",
    _I,
)
_NO_GAP: Final = 1000
_CLAUSE: Final = re.compile(r"[.!?;\n]\s|[\n;]")
_BINDING: Final = re.compile(
    r"(?:\b(?P<word>by|until|till|til|before|no later than|not later than|latest|at the latest|due(?: by| on)?|deadline|expires?(?: on)?|ends?(?: on)?|closes?(?: on)?|"
    r"bis(?: zum| spätestens| spätestens zum)?|spätestens(?: am| bis| bis zum)?|vor|vor dem|frist(?: ist| bis)?|läuft(?: am)?|avant|avant le|d'ici|d’ici|d'ici à|jusqu'au|jusqu’au|jusqu'à|au plus tard(?: le)?|"
    r"antes de|antes del|hasta|hasta el|a más tardar(?: el)?|entro|entro il|prima di|prima del|voor|vóór|uiterlijk(?: op)?|tegen|até|até o|até ao|até à|antes do|o mais tardar)"
    r" (?:the |den |dem |le |el |il |o |a |la |close of |lunch )?"
    r"|\b(?P<label>deadline|due(?: date)?|respond by|reply by|\w{0,14}frist|fällig\w{0,4}|échéance|plazo|scadenza|vervaldatum|prazo)\b"
    r"[^.!?\n]{0,30}[: ] ?)$",
    _I,
)
_EVENTS: Final = {
    "court": "court|hearing|tribunal|small claims|trial|gericht\\w{0,10}|verhandlung|audience|juicio|tribunale|udienza|rechtbank|zitting|julgamento",
    "bank": "bank|dispute|chargeback|evidence|issuer|banque|banco|banca",
    "regulator": "regulator|ombudsman|trading standards|authorities|local authority|standards authority|behörde|verbraucherzentrale|aufsicht\\w{0,8}|schlichtung\\w{0,6}",
    "exam": "exams?|finals|prüfung\\w{0,4}|klausur|examen|esame|exame|prova",
    "interview": "interview|vorstellungsgespräch|entretien|entrevista|colloquio|sollicitatie\\w{0,8}",
    "flight": "flight|fly|flying|plane|airport|flug|fliege[n]?|abflug|vol|avion|vuelo|volo|vlucht|vliegen|voo",
    "wedding": "wedding|bride|bridal|married|marry|bridesmaid|hochzeit\\w{0,6}|heirate\\w?|standesamt|mariage|boda|matrimonio|bruiloft|trouwen|casamento",
    "birthday": "birthday|bday|geburtstag\\w{0,8}|anniversaire|cumpleaños|compleanno|verjaardag|jarig|aniversário|anniversary|jubiläum|hochzeitstag",
    "funeral": "funeral|memorial|burial|wake|beerdigung|trauerfeier|beisetzung|bestattung|enterrement|obsèques|funérailles|funerale|begrafenis|uitvaart|entierro",
    "medical": "surgery|operation|hospital|op-termin|krankenhaus|chemo\\w{0,8}|due date|geburtstermin|opération|cirugía|operación|intervento|operatie|cirurgia",
    "travel": "trip|travel\\w{0,4}|holidays?|vacation|leave for|leaving|leaves|depart\\w{0,4}|expedition|camping trip|honeymoon|cruise|reise|verreisen|urlaub|abreise|abfahrt|ferien|voyage|vacances|départ|partons|viaje|vacaciones|viaggio|vacanze|partenza|reis|vakantie|vertrek\\w{0,3}|viagem|férias",
    "moving": "moving|move out|move in|moving out|umzug|umziehen|déménag\\w{0,6}|mudanza|trasloco|verhuiz\\w{0,3}|mudança",
    "event": "party|launch|christening|baptism|baby shower|graduation|concert|festival|race|marathon|tournament|opening|ceremony|performance|school play|event|conference|taufe|feier|konfirmation|kommunion|abiball|einschulung|konzert|turnier|baptême|fête|fiesta|bautizo|festa|battesimo|feest|doop|batizado|prom|reunion",
}  # fmt: skip
_EVENT: Final = re.compile(
    r"\b(?:" + "|".join(rf"(?P<{name}>{words(alternatives)})" for name, alternatives in _EVENTS.items()) + r")\b", _I
)
_THREATS: Final = frozenset({"bank", "court", "regulator"})
_UNLESS: Final = re.compile(
    r"\b(?:unless|otherwise|or (?:i|we)|sonst|andernfalls|ansonsten|es sei denn|sinon|altrimenti|si no|anders)\b", _I
)
_VAGUE: Final = frozenset({"travel", "event"})
"""Events that give way to a more exact one: "our flight leaves" is a flight."""
_NEED_FOR: Final = re.compile(
    r"\b(?:need\w{0,3}|must have|have to have|brauche\w?|benötige\w?|besoin|necesito|mi serve|nodig|preciso)\b[^.!?\n]{0,40}\b(?P<word>for|on|für|am|pour|para|per|voor) (?:the |den |le |el )?$",
    _I,
)
_DEMAND: Final = re.compile(
    r"\b(?:answer|reply|respond|response|refund(?: me)?|want|need|expect|demand|require|must|please|otherwise|or (?:i|we)|confirm|"
    r"bitte|erwarte|brauche|verlange|melden|antwort\w{0,4}|sonst|andernfalls|muss|müssen|exige|veuillez|attends|sinon|exijo|quiero|"
    r"espero|pretendo|voglio|attendo|altrimenti|eis|verwacht|anders|exijo|quero|aguardo|only have|have only)\b",
    _I,
)
_DONE: Final = re.compile(
    r"\b(?:sent|returned|policy|usually|normally|told|said|promised|was supposed|were supposed|guarantee\w?|advertis\w{0,4}|terms|"
    r"zurückgeschickt|zurückgesendet|versprochen|normalerweise|hieß|laut|agb|zugesagt)\b",
    _I,
)


def tense(text: str, start: int, end: int) -> int:
    """1 when the words nearest to a day speak of the future, -1 of the past or nothing."""
    left = max((c.end() for c in _CLAUSE.finditer(text, max(0, start - 90), start)), default=max(0, start - 90))
    stop = _CLAUSE.search(text, end, end + 60)
    right = stop.start() if stop else min(len(text), end + 60)

    def gap(pattern: re.Pattern[str]) -> int:
        near = [start - c.end() for c in pattern.finditer(text, left, start)]
        near += [(c.start() - end) + 8 for c in pattern.finditer(text, end, right)]
        return min(near, default=_NO_GAP)

    past, future = gap(_PAST), gap(_FUTURE)
    if past == future == _NO_GAP:
        return 1 if _EVENT.search(text, left, right) else -1
    return 1 if future < past else -1


def why_binding(text: str, start: int, end: int, edges: tuple[int, int], within: bool) -> str:
    """The word that makes a coming day bind, or "".

    That is an event in the day's clause and between its neighbouring days `edges`, named in English, or the binding
    word as written. `within` says that the day ends a period, which binds only where something is demanded.
    """
    left = max((c.end() for c in _CLAUSE.finditer(text, max(0, start - 120), start)), default=max(0, start - 120))
    stop = _CLAUSE.search(text, end, end + 80)
    right = stop.start() if stop else min(len(text), end + 80)
    if within and (_DONE.search(text, left, start) or not _DEMAND.search(text, left, right)):
        return ""
    bound = _BINDING.search(text, max(0, start - 50), start)
    event = _event(text, (max(left, edges[0]), start), (end, min(right, edges[1])))
    # "if I see no money tomorrow, my bank takes it back" is the customer's own limit: nobody else is bound by it
    threat = event in _THREATS and (not (bound or within or event != "bank") or _UNLESS.search(text, left, right))
    if event and not threat:
        return event
    if within:
        return "within"
    bound = bound or _NEED_FOR.search(text, max(left, edges[0]), start)
    return next(word.lower() for word in bound.groups() if word) if bound else ""


def _event(text: str, before: tuple[int, int], after: tuple[int, int]) -> str:
    """The name of the event nearest to a day within its clause and between its neighbouring days."""
    near = [(m.lastgroup in _VAGUE, before[1] - m.end(), m.lastgroup or "") for m in _EVENT.finditer(text, *before)]
    near += [(m.lastgroup in _VAGUE, m.start() - after[0], m.lastgroup or "") for m in _EVENT.finditer(text, *after)]
    return min(near, default=(True, 0, ""))[2]
