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
    r"è arrivat[oa]|ho|avete|doveva|da|kwam|heb|hebben|heeft|zou|was|sinds|chegou|comprei|paguei|foi|devia|desde|"
    r"stat[oai]|été|sido|avait|avais|aviez|reçue?|promise?|iban|recibido|enviado|devuelto|entregado|pagado|cobrado|commandée?|achetée?|livrée?|envoyée?|renvoyée?|dijo|dijeron|dijisteis|pedí|recibí|hemos|habéis|"
    r"effettuat[oa]|spedit[oa]|consegnat[oa]|comprat[oa]|ordinat[oa]|pagat[oa]|ricevut[oa]|ontvangen|besteld|gekocht|betaald|geleverd|bezorgd|"
    r"recebido|devolvido|entregue|entrado|aveva|avevate|avevo|detto|abbiamo|hanno|dal|beloofd|zei|had|hadden|kregen|kreeg|disse|disseram|ficou|ficaram|liguei|recebi|veio)\b",
    _I,
)
_FUTURE: Final = re.compile(
    r"\b(?:will|'ll|going|need|needs|by|until|till|til|before|leave|leaves|leaving|fly|flying|flies|travel|starts?|is on|is this|are on|"
    r"deadline|due|expires?|arriving|want|expect|must|otherwise|latest|are|"
    r"is(?![^.!?;\n]{0,50}\b(?:bezorgd|geleverd|gekomen|aangekomen|afgeleverd|afgeschreven|verzonden|opgehaald)\b)|"
    r"wird|werden|soll|sollen|muss|müssen|brauche|brauchen|bis|spätestens|vor|fliegen|reisen|verreisen|erwarte|findet|geht|ist|sind|"
    r"avant|jusqu|besoin|part|pars|partons|sera|est|faut|hasta|antes|necesito|será|es|salgo|entro|prima|serve|sarà|parto|"
    r"partono|inizia|comincia|empieza|commence|começa|begint|voor|vóór|uiterlijk|nodig|wordt|zal|até|preciso|é|è|pouvez|possible|posible|podéis|pueden|possibile|potete|possível|podem|"
    r"mogelijk|kunnen|\w{2,12}(?:rán|rá|ranno|rà|rão|remos))\b",
    _I,
)
_NO_GAP: Final = 1000
_BESIDE: Final = 18
"""Characters before a day in which an event says more of it than a verb behind it."""
_CLAUSE: Final = re.compile(r"(?<!\b[^\W\d_])[.]\s|[!?;\n]\s|[\n;]")
"""Where a clause ends; the full stop of a single letter ("a.s.") ends none."""
_BINDING: Final = re.compile(
    r"(?:\b(?P<word>by|until|till|til|before|no later than|not later than|latest|at the latest|due(?: by| on)?|deadline|expires?(?: on)?|ends?(?: on)?|closes?(?: on)?|"
    r"bis(?: zum| spätestens| spätestens zum)?|spätestens(?: am| bis| bis zum)?|vor|vor dem|frist(?: ist| bis)?|läuft(?: am)?|avant|avant le|d'ici|d’ici|d'ici à|jusqu'au|jusqu’au|jusqu'à|au plus tard(?: le)?|"
    r"jusqu'à la|jusqu’à la|como (?:muy tarde|máximo)(?: el)?|no más tarde del?|fino a|fino al|entro e non oltre(?: il)?|non oltre(?: il)?|al più tardi|"
    r"expire(?:nt)?|se termine|prend fin|vencen?|caducan?|expiram?|se cierran?|terminan?|scad(?:e|ono)|chiud(?:e|ono)|verloopt(?: op)?|eindigt(?: op)?|sluit(?: op)?|verlopen(?: op)?|encerram?|vencem|(?:janela|prazo|disputa|defesa)\b[^.!?\n]{0,25} fecha|"
    r"tot|op zijn laatst|no máximo(?: até)?|antes d[ae]|até à|"
    r"antes de|antes del|hasta|hasta el|a más tardar(?: el)?|entro|entro il|prima di|prima del|voor|vóór|uiterlijk(?: op)?|tegen|até|até o|até ao|até à|antes do|o mais tardar)"
    r" (?:the |den |dem |le |el |il |lo |o |a |la |het |de |da |do |close of |lunch )?"
    r"|\b(?P<label>deadline|due(?: date)?|respond by|reply by|\w{0,14}frist|fällig\w{0,4}|échéance|plazo|scadenza|vervaldatum|prazo|date limite|fecha límite|data limite|uiterste datum|termine ultimo|termine per)\b"
    r"[^.!?\n]{0,30}[: ] ?)$",
    _I,
)
_EVENTS: Final = {
    "court": "court|hearing|tribunal|small claims|trial|gericht\\w{0,10}|verhandlung|audience|audiencia|audiência|juicio|juzgado|procès|tribunale|udienza|rechtbank|zitting|julgamento",
    "bank": "(?<!power )bank|dispute|chargeback|evidence|issuer|banque|banco|banca",
    "regulator": "regulator|ombudsman|trading standards|authorities|local authority|standards authority|behörde|verbraucherzentrale|aufsicht\\w{0,8}|schlichtung\\w{0,6}",
    "exam": "exams?|finals|prüfung\\w{0,4}|klausur|examen|esame|exame|prova|soutenance|doutoramento|tese|tesis|laurea|afstuderen",
    "interview": "interview|vorstellungsgespräch|entretien|entrevista|colloquio di lavoro|colloquio|sollicitatie\\w{0,8}",
    "flight": "flight|fly|flying|plane|airport|flug|fliege[n]?|abflug|vol|avion|vuelo|vuela|volo|vola|voliamo|vlucht|vliegen|voo",
    "wedding": "wedding|bride|bridal|married|marry|bridesmaid|hochzeit\\w{0,6}|heirate\\w?|standesamt|mariage|marions|boda|nos casamos|matrimonio|nozze|bruiloft|trouwt|trouwen|se marie|me marie|se casa|me caso|si sposa|mi sposo|ci sposiamo|casa-se|caso-me|trouwfeest|huwelijk|casamento",
    "birthday": "birthday|bday|geburtstag\\w{0,8}|anniversaire|cumpleaños|compleanno|verjaardag|jarig|aniversário|faz anos|faço anos|fazem anos|faz \\d{1,2} anos|cumple años|cumple \\d{1,2}|su cumple|mi cumple|compie|anniv|verjaart|anniversary|jubiläum|hochzeitstag",
    "funeral": "funeral|memorial|burial|wake|beerdigung|trauerfeier|beisetzung|bestattung|enterrement|obsèques|funérailles|funerale|begrafenis|uitvaart|entierro|enterro|velório|funerali|crematie",
    "medical": "surgery|operation|hospital|op-termin|krankenhaus|chemo\\w{0,8}|due date|geburtstermin|opération|cirugía|operación|intervento chirurgico|intervento|ospedale|accouchement|hôpital|operatie|bevalling|ziekenhuis|cirurgia",
    "travel": "trip|travel\\w{0,4}|holidays?|vacation|leave for|leaving|leaves|depart\\w{0,4}|expedition|camping trip|honeymoon|cruise|reise|verreisen|urlaub|abreise|abfahrt|ferien|voyage|vacances|départ|partons|je pars|viaje|viajo|viajamos|vacaciones|nos vamos|me voy|viaggio|vacanze|partenza|parto|partiamo|ferie|congés|reis|vakantie|vertrek\\w{0,3}|viagem|viajo|férias|acampar|kamperen",
    "moving": "moving|move out|move in|moving out|umzug|umziehen|déménag\\w{0,6}|mudanza|nos mudamos|trasloco|traslochiamo|verhuiz\\w{0,3}|mudança",
    "event": "party|launch|christening|baptism|baby shower|graduation|concert|festival|race|marathon|tournament|opening|ceremony|performance|school play|event|conference|taufe|feier|konfirmation|kommunion|abiball|einschulung|konzert|turnier|baptême|fête|fiesta|bautizo|comunión|festa|concerto|comunione|cresima|spettacolo|formatura|feestje|gara|torneo|torneio|wedstrijd|voorstelling|toernooi|cérémonie|compétition|tournoi|ceremonia|cerim[óô]nia|battesimo|feest|doop|batizado|prom|reunion",
}  # fmt: skip
_EVENT: Final = re.compile(
    r"\b(?:" + "|".join(rf"(?P<{name}>{words(alternatives)})" for name, alternatives in _EVENTS.items()) + r")\b", _I
)
_THREATS: Final = frozenset({"bank", "court", "regulator"})
_UNLESS: Final = re.compile(
    r"\b(?:unless|otherwise|or (?:i|we)|sonst|andernfalls|ansonsten|es sei denn|sinon|faute de|à défaut|sans (?:réponse|retour)|si vous ne|altrimenti|in caso contrario|se non|si no|de lo contrario|sin respuesta|anders|zo niet|se não|caso contrário|sob pena)\b",
    _I,
)
_VAGUE: Final = frozenset({"travel", "event"})
"""Events that give way to a more exact one: "our flight leaves" is a flight."""
_NEED_FOR: Final = re.compile(
    r"\b(?:need\w{0,3}|must have|have to have|brauche\w?|benötige\w?|besoin|me faut|il nous faut|necesit\w{1,4}|mi serv\w{1,3}|ci serv\w{1,3}|nodig|precis[oa]\w{0,3})\b"
    r"[^.!?\n]{0,40}(?:\b(?P<word>for|on|für|am|pour|para|per|voor)|(?P<short>p/)) (?:the |den |le |el |il |la |o |a )?$",
    _I,
)
_FOR: Final = re.compile(r"\b(?P<word>pour|para|per|voor) (?:le |la |el |il |o |a |het )?$", _I)
_WANTED: Final = re.compile(
    r"^[^.!?\n]{0,12}\b(?:je veux|je voudrais|j['’]exige|quiero|exijo|necesito|lo quiero|voglio|esigo|pretendo|mi serve|wil ik|moet ik|eis ik|quero|exijo|preciso)\b",
    _I,
)
"""A demand right behind a day: "para fin de mes quiero esto cerrado"."""
_DEMAND: Final = re.compile(
    r"\b(?:answer|reply|respond|response|refund(?: me)?|want|need|expect|demand|require|must|please|otherwise|or (?:i|we)|confirm|"
    r"bitte|erwarte|brauche|verlange|melden|antwort\w{0,4}|sonst|andernfalls|muss|müssen|"
    r"exige|veuillez|attends|sinon|je veux|merci de|faute de|si vous ne|répon\w{1,4}|rembourse[rz]|envoyez|fournir|je demande|transmettez|"
    r"exijo|quiero|espero|si no|contest\w{1,4}|respond\w{1,4}|respuesta|solicit\w{1,4}|pido|por favor|de lo contrario|env[ií]en?|devuélva\w{0,4}|"
    r"pretendo|voglio|attendo|altrimenti|esigo|se non|risposta|riscontro|chied[eo]|rispond\w{1,4}|per favore|inviate|inviare|rimborsate|mandate|"
    r"eis|verwacht|anders|reactie|antwoord|graag|ik wil|stuur|reageer|verzoek|"
    r"quero|aguardo|se não|resposta|peço|solicit\w{1,4}|respond\w{1,5}|sob pena|enviem|apresent\w{1,4}|mandem|reembolsem|only have|have only)\b",
    _I,
)
_DONE: Final = re.compile(
    r"\b(?:sent|returned|policy|usually|normally|told|said|promised|was supposed|were supposed|guarantee\w?|advertis\w{0,4}|terms|"
    r"zurückgeschickt|zurückgesendet|versprochen|normalerweise|hieß|laut|agb|zugesagt|"
    r"promise?|annonc\w{1,4}|indiqu\w{1,3}|anunci\w{1,4}|indica\w{0,3}|vermeld\w{0,2}|renvoyée?|dit|prometi\w{1,5}|dijo|dijeron|dijisteis|promesso|detto|beloofd|toegezegd|zei|gezegd|prometeram|disse|disseram)\b",
    _I,
)
_UNTIL: Final = re.compile(
    r"\b(?:until|till|til|bis|jusqu['’]au|jusqu['’]à|jusqu['’]en|hasta|fino|sino|tot|até)"
    r"(?: (?:the|at least|zum|mindestens|le|la|el|a|al|à|ao|en met|de|het|o|dia|día|ao dia|el día|about|around|after))* ?$",
    _I,
)
_ABSENT: Final = re.compile(
    r"\b(?:away|out of (?:town|(?:the )?country|(?:the )?office)|abroad|overseas|on (?:holiday|vacation|(?:annual )?leave|a (?:business )?trip|tour)|"
    r"travell?ing|in hospital|(?:not|won['’]t be|isn['’]t|wasn['’]t|weren['’]t) (?:at )?(?:home|back|in|here|around|reachable|available)|unreachable|"
    r"verreist|abwesend|weg|fort|unterwegs|außer haus|ortsabwesend|(?:nicht|nie|niemand) (?:da|daheim|zu ?hause|erreichbar|im haus)|"
    r"(?:im|in|auf) (?:dem |der )?(?:urlaub|ausland|krankenhaus|reisen|dienstreise|geschäftsreise|reha|kur|montage)|"
    r"absente?s?|en (?:vacances|déplacement|voyage|congés?)|à l['’](?:étranger|hôpital)|(?:pas|ni) (?:chez (?:moi|nous|lui|elle)|là|joignables?|rentrée?s?)|"
    r"fuera(?: de casa| del país)?|de (?:vacaciones|viaje)|ausentes?|en el (?:extranjero|hospital)|no (?:estoy|estaré|estaba|estaremos|estábamos) (?:en casa|aquí)|"
    r"via|fuori(?: casa| città| sede)?|in (?:vacanza|ferie|viaggio|trasferta|ospedale)|all['’]estero|assent[ei]|non (?:sono|sarò|ero|saremo|eravamo) (?:a casa|in casa|raggiungibile)|"
    r"afwezig|op (?:vakantie|reis|zakenreis)|in het (?:buitenland|ziekenhuis)|(?:niet|nooit) (?:thuis|bereikbaar|aanwezig)|"
    r"fora(?: de casa| do país)?|de (?:férias|viagem)|em viagem|no (?:estrangeiro|hospital)|não (?:estou|estarei|estava|estaremos|estávamos) em casa)\b",
    _I,
)
_PROMISED: Final = re.compile(
    r"\b(?:toegezegd|beloofd|gepland|verwacht|aangekondigd|bezorging|levering|zou)\b[^.!?\n]{0,30}\b(?:voor|uiterlijk) (?:de |het )?$",
    _I,
)
"""What the shop had promised, which binds the customer to nothing; Dutch `voor` is "for" as well as "before"."""


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
    if binds(text, start) and not _PAST.search(text, left, start):
        return 1
    beside = _EVENT.search(text, max(left, start - _BESIDE), start)
    if beside and beside.lastgroup not in _THREATS and not _PAST.search(text, left, start):
        return 1  # "Batizado no domingo, e a vela veio gravada"
    if past == future == _NO_GAP:
        return 1 if _EVENT.search(text, left, right) else -1
    return 1 if future < past else -1


def told_before(text: str, start: int) -> bool:
    """Whether the clause speaks of the past before it comes to a day."""
    left = max((c.end() for c in _CLAUSE.finditer(text, max(0, start - 90), start)), default=max(0, start - 90))
    return _PAST.search(text, left, start) is not None


def binds(text: str, start: int) -> bool:
    """Whether the word right before a day makes it the end of something."""
    return _BINDING.search(text, max(0, start - 50), start) is not None


def why_binding(text: str, start: int, end: int, edges: tuple[int, int], within: bool) -> str:
    """The word that makes a coming day bind, or "".

    That is an event in the day's clause and between its neighbouring days `edges`, named in English, or the binding
    word as written. `within` says that the day ends a period, which binds only where something is demanded.
    """
    left = max((c.end() for c in _CLAUSE.finditer(text, max(0, start - 120), start)), default=max(0, start - 120))
    stop = _CLAUSE.search(text, end, end + 80)
    right = stop.start() if stop else min(len(text), end + 80)
    if _absence(text, (max(left, edges[0], start - 90), start), (end, min(right, edges[1]))):
        return ""
    if within and (_DONE.search(text, left, start) or not _DEMAND.search(text, left, right)):
        return ""
    bound = None if _PROMISED.search(text, left, start) else _BINDING.search(text, max(0, start - 50), start)
    event = _event(text, (max(left, edges[0]), start), (end, min(right, edges[1])))
    # "if I see no money tomorrow, my bank takes it back" is the customer's own limit: nobody else is bound by it
    threat = event in _THREATS and (not (bound or within or event != "bank") or _UNLESS.search(text, left, right))
    if event and not threat:
        return event
    if within:
        return "within"
    bound = bound or _NEED_FOR.search(text, max(left, edges[0]), start)
    if bound is None and _WANTED.search(text[end:right]):
        bound = _FOR.search(text, left, start)
    return next(word.lower() for word in bound.groups() if word) if bound else ""


def _absence(text: str, before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether a day ends the time for which somebody is away: it binds nobody."""
    until = _UNTIL.search(text, *before)
    if until is None:
        return False
    away = max((m.end() for m in _ABSENT.finditer(text, before[0], until.start())), default=-1)
    if away >= 0:
        return _DEMAND.search(text, away, until.start()) is None
    return _ABSENT.search(text, after[0], min(after[1], after[0] + 30)) is not None


def _event(text: str, before: tuple[int, int], after: tuple[int, int]) -> str:
    """The name of the event nearest to a day within its clause and between its neighbouring days."""
    near = [(m.lastgroup in _VAGUE, before[1] - m.end(), m.lastgroup or "") for m in _EVENT.finditer(text, *before)]
    near += [(m.lastgroup in _VAGUE, m.start() - after[0], m.lastgroup or "") for m in _EVENT.finditer(text, *after)]
    return min(near, default=(True, 0, ""))[2]
