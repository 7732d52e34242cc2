"""Words for days and months in seven languages, and what they mean."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MONTHS: Final = {
    "en": "january february march april may june july august september october november december",
    "de": "januar februar märz april mai juni juli august september oktober november dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
}
"""Language -> names of the months, January first."""
_SHORT_MONTHS: Final = {
    "en": "jan feb mar apr - jun jul aug sep oct nov dec",
    "de": "jan feb mär apr - jun jul aug sep okt nov dez",
    "fr": "janv févr - avr - - juil - sept oct nov déc",
    "es": "ene feb mar abr - jun jul ago sep oct nov dic",
    "it": "gen feb mar apr mag giu lug ago set ott nov dic",
    "nl": "jan feb mrt apr - jun jul aug sep okt nov dec",
    "pt": "jan fev mar abr mai jun jul ago set out nov dez",
}
_MORE_MONTHS: Final = {"sept": 9, "jänner": 1, "maerz": 3, "fevrier": 2, "aout": 8, "decembre": 12, "setiembre": 9}
WEEKDAYS: Final = {
    "en": "monday tuesday wednesday thursday friday saturday sunday",
    "de": "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
}
"""Language -> names of the days of the week, Monday first."""
_MORE_WEEKDAYS: Final = {
    "en": {"mon": 0, "tue": 1, "tues": 1, "wed": 2, "weds": 2, "thu": 3, "thurs": 3, "fri": 4},
    "de": {"sonnabend": 5},
    "es": {"miercoles": 2, "sabado": 5},
    "it": {"lunedi": 0, "martedi": 1, "mercoledi": 2, "giovedi": 3, "venerdi": 4},
    "pt": {"terça": 1, "terca": 1, "quarta": 2, "quinta": 3, "sexta": 4, "sabado": 5},
}
_RELATIVE: Final = {
    "en": {"today": 0, "tonight": 0, "tomorrow": 1, "tmrw": 1, "yesterday": -1},
    "de": {"heute": 0, "morgen": 1, "übermorgen": 2, "gestern": -1, "vorgestern": -2},
    "fr": {"aujourd": 0, "demain": 1, "hier": -1, "avant-hier": -2, "après-demain": 2},
    "es": {"hoy": 0, "mañana": 1, "ayer": -1, "anteayer": -2, "antier": -2, "anoche": -1},
    "it": {"oggi": 0, "stasera": 0, "domani": 1, "dopodomani": 2, "ieri": -1, "altroieri": -2},
    "nl": {
        "vandaag": 0,
        "morgen": 1,
        "morgenochtend": 1,
        "morgenmiddag": 1,
        "morgenavond": 1,
        "overmorgen": 2,
        "gisteren": -1,
        "eergisteren": -2,
    },
    "pt": {"hoje": 0, "amanhã": 1, "amanha": 1, "ontem": -1, "anteontem": -2},
}
_UNITS: Final = {
    "en": {"hour": 0, "hours": 0, "hrs": 0, "day": 1, "days": 1, "week": 7, "weeks": 7, "month": 30, "months": 30},
    "de": {"stunde": 0, "stunden": 0, "tag": 1, "tage": 1, "tagen": 1, "woche": 7, "wochen": 7, "monat": 30, "monats": 30, "monates": 30, "monate": 30, "monaten": 30},
    "fr": {"heure": 0, "heures": 0, "jour": 1, "jours": 1, "semaine": 7, "semaines": 7, "mois": 30},
    "es": {"hora": 0, "horas": 0, "día": 1, "días": 1, "dia": 1, "dias": 1, "semana": 7, "semanas": 7, "mes": 30, "meses": 30},
    "it": {"ora": 0, "ore": 0, "giorno": 1, "giorni": 1, "settimana": 7, "settimane": 7, "mese": 30, "mesi": 30},
    "nl": {"uur": 0, "uren": 0, "dag": 1, "dagen": 1, "week": 7, "weken": 7, "maand": 30, "maanden": 30},
    "pt": {"hora": 0, "horas": 0, "dia": 1, "dias": 1, "semana": 7, "semanas": 7, "mês": 30, "meses": 30},
}  # fmt: skip
_FEASTS: Final = {
    "en": {"christmas": (12, 25), "xmas": (12, 25), "halloween": (10, 31)},
    "de": {"weihnachten": (12, 24), "heiligabend": (12, 24), "silvester": (12, 31), "nikolaus": (12, 6)},
    "fr": {"noël": (12, 25), "noel": (12, 25), "réveillon": (12, 24)},
    "es": {"navidad": (12, 25), "nochebuena": (12, 24), "nochevieja": (12, 31)},
    "it": {"natale": (12, 25), "capodanno": (1, 1), "epifania": (1, 6), "ferragosto": (8, 15)},
    "nl": {"kerst": (12, 25), "kerstmis": (12, 25), "kerstavond": (12, 24), "sinterklaas": (12, 5), "pakjesavond": (12, 5), "oudejaarsavond": (12, 31), "koningsdag": (4, 27)},
    "pt": {"natal": (12, 25), "consoada": (12, 24)},
}  # fmt: skip

_COUNTS: Final = (
    "one|a|an|ein|eine|einem|einer|un|une|una|uno|een|um|uma",
    "two|zwei|deux|dos|due|twee|dois|duas|couple of|a couple of|un par de|un paio di|um par de",
    "three|drei|trois|tres|tre|drie|três",
    "four|vier|quatre|cuatro|quattro|quatro",
    "five|fünf|cinq|cinco|cinque|vijf",
    "six|sechs|seis|sei|zes",
    "seven|sieben|sept|siete|sette|zeven|sete",
    "eight|acht|huit|ocho|otto|oito",
    "nine|neun|neuf|nueve|nove|negen",
    "ten|zehn|dix|diez|dieci|tien|dez",
)
_MORE_COUNTS: Final = {
    12: "twelve|zwölf|douze|doce|dodici|twaalf|doze",
    14: "fourteen|vierzehn|quatorze|catorce|quattordici|veertien|catorze",
    15: "fifteen|fünfzehn|quinze|quince|quindici|vijftien",
    20: "twenty|zwanzig|vingt|veinte|venti|twintig|vinte",
    30: "thirty|dreißig|trente|treinta|trenta|dertig|trinta",
}
COUNTS: Final = {w: n for n, ws in (*enumerate(_COUNTS, 1), *_MORE_COUNTS.items()) for w in ws.split("|")}
"""Small numbers in words."""

Role = tuple[str, int]
"""What a calendar word is (`month`, `weekday`, `relative`, `unit`, `feast`) and its number."""


@lru_cache(maxsize=16)
def calendar_words(language: str) -> dict[str, Role]:
    """Every calendar word that a text in `language` may hold, English ones included, in lower case.

    Full names of all languages are known everywhere; abbreviations only in their own language, since `out` is
    October in Portuguese and `ago` is August in Spanish.
    """
    table: dict[str, Role] = {}
    known = [code for code in MONTHS if code not in {"en", language}] + ["en", language]
    for code in known:
        own = code in {"en", language}
        table |= {w: ("month", n) for n, w in enumerate(MONTHS.get(code, "").split(), 1)}
        table |= {w: ("weekday", n) for n, w in enumerate(WEEKDAYS.get(code, "").split())}
        table |= {w: ("relative", n) for w, n in _RELATIVE.get(code, {}).items() if own or w not in {"morgen", "hier"}}
        if own:
            short = enumerate(_SHORT_MONTHS.get(code, "").split(), 1)
            table |= {w: ("month", n) for n, w in short if w != "-"}
            if code == language:
                table |= {w: ("weekday", n) for w, n in _MORE_WEEKDAYS.get(code, {}).items()}
            table |= {w: ("unit", n) for w, n in _UNITS.get(code, {}).items()}
            table |= {w: ("feast", m * 100 + d) for w, (m, d) in _FEASTS.get(code, {}).items()}
    return table | {w: ("month", n) for w, n in _MORE_MONTHS.items()}
