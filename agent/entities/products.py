"""Products of the store as customers call them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from agent.entities.scan import RELATIONS, Scan

_TOKEN: Final = re.compile(r"[^\W_]+")
_SIZE: Final = re.compile(
    r"\d|^(?:of|the|and|for|with|set|pack|kg|g|l|ml|cm|x|months?|pieces?|pairs?|smart|electric|new)$"
)
VAGUE: Final = frozenset({"light", "machine", "chest", "cream", "paper", "water", "cover", "board", "stand", "piece"})
"""Head nouns that name too many other things to stand for a product alone."""
_ARTICLE: Final = re.compile(
    r"\b(?:the|my|your|our|this|that|a|an|der|die|das|den|dem|mein|meine|meinen|meiner|meinem|ihr|ihre|ihren|ein|eine|einen|"
    r"le|la|mon|ma|el|mi|un|una|il|lo|mio|mia|de|het|mijn|een|o|meu|minha|um|uma)\s$",
    re.IGNORECASE,
)


_NOUN: Final = re.compile(r"\b[a-zß-ÿ]{4,24} \(?$")
_PERSON: Final = re.compile(
    rf"\b(?:{RELATIONS}|senhora?|señora?|signora?|madame|monsieur|mevrouw|meneer|heer|frau|herrn?|hallo|bonjour|hola|buongiorno|caro|cara) $",
    re.IGNORECASE,
)
"""Words before a name that is a person's, not a line's, "ma fille Ivy"."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The store's products, indexed by the words customers use for them."""

    skus: dict[str, tuple[str, str]]
    """Upper-case SKU -> (sku, name)."""
    sku_heads: frozenset[str]
    """First token of every SKU, in lower case."""
    starts: dict[str, tuple[tuple[tuple[str, ...], str, str], ...]]
    """First word of a phrase -> phrases (longest first) with name and SKU; SKU "" when several products share it."""
    lines: dict[str, tuple[tuple[frozenset[str], str, str], ...]]
    """Name of a product line ("halo") -> (words of the name, name, SKU) of its products."""
    words: frozenset[str]
    """Every word of a product line, in lower case: never part of a person's name unless a record says so."""


@lru_cache(maxsize=8)
def catalogue(products: tuple[tuple[str, str], ...]) -> Catalogue:
    """Indexes (sku, name) pairs by whole names, phrases of two and more words, and head nouns of one product alone."""
    tokens = {sku: [t.lower() for t in _TOKEN.findall(name)] for sku, name in products}
    counts: Counter[tuple[str, ...]] = Counter()
    for ts in tokens.values():
        counts.update({tuple(ts[i:j]) for i in range(len(ts)) for j in range(i + 1, len(ts) + 1)})
    starts: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
    lines: dict[str, list[tuple[frozenset[str], str, str]]] = {}
    for sku, name in products:
        ts = tokens[sku]
        if not ts:
            continue
        lines.setdefault(ts[0], []).append((frozenset(ts[1:]), name, sku))
        for phrase in _phrases(ts, name):
            one = counts[phrase] == 1
            if one or (len(phrase) > 1 and phrase[0] == ts[0]):
                entry = (phrase, name if one else " ".join(phrase), sku if one else "")
                starts.setdefault(phrase[0], []).append(entry)
    return Catalogue(
        skus={sku.upper(): (sku, name) for sku, name in products},
        sku_heads=frozenset(m[0].lower() for sku, _ in products if (m := _TOKEN.search(sku))),
        starts={w: tuple(sorted(set(ps), key=lambda p: -len(p[0]))) for w, ps in starts.items()},
        lines={w: tuple(ps) for w, ps in lines.items()},
        words=frozenset(lines),
    )


def _phrases(ts: list[str], name: str) -> list[tuple[str, ...]]:
    """Runs of two and more words of a name, and its head noun alone."""
    end = len(_TOKEN.findall(name.partition("(")[0])) or len(ts)
    core = end
    while core > 1 and _SIZE.search(ts[core - 1]):
        core -= 1
    runs = [
        tuple(ts[i:j]) for i in range(end) for j in range(i + 2, end + 1) if not _SIZE.search(ts[j - 1]) or j == end
    ]
    runs = [r for r in runs if sum(not _SIZE.search(w) for w in r) >= 2]
    head = ts[core - 1]
    runs.append(tuple(ts))
    if core > 1 and len(head) > 4 and head not in VAGUE and not any(w in {"set", "pack", "box"} for w in ts[core:end]):
        runs.append((head,))
    return runs


def products(scan: Scan, store: Catalogue, own: frozenset[str]) -> None:
    """Products by SKU, by name or part of it, and by the name of their line ("the Halo", "Halo lamp").

    `own` are the store's own names in lower case, which stand for no line however many products bear them.
    """
    text = scan.text
    tokens = [(m[0].lower(), m.start(), m.end()) for m in _TOKEN.finditer(text)]
    _skus(scan, store, tokens)
    for i, (word, start, _) in enumerate(tokens):
        if word not in store.starts and word not in store.lines and word[:-1] not in store.starts:
            continue
        if (hit := _phrase(store, tokens, i)) and scan.add("product", hit[1], start, tokens[i + hit[0] - 1][2], hit[2]):
            continue
        if word in store.lines and word not in own and text[start].isupper():
            _line(scan, store, tokens, i)


def _skus(scan: Scan, store: Catalogue, tokens: Sequence[tuple[str, int, int]]) -> None:
    for i, first in enumerate(tokens):
        for last in tokens[i : i + 3] if first[0] in store.sku_heads else ():
            start, end = first[1], last[2]
            if known := store.skus.get(scan.text[start:end].upper()):
                scan.add("product", known[1], start, end, known[0])


def _same(said: str, named: str) -> bool:
    """Whether two words are one word in singular or plural."""
    return said == named or said == named + "s" or said + "s" == named or said == named + "es"


def _phrase(store: Catalogue, tokens: Sequence[tuple[str, int, int]], i: int) -> tuple[int, str, str] | None:
    """(number of words, name, SKU) of the longest known phrase that starts at token `i`."""
    word = tokens[i][0]
    for phrase, name, sku in (*store.starts.get(word, ()), *store.starts.get(word[:-1], ())):
        said = tokens[i : i + len(phrase)]
        same = len(said) == len(phrase) and all(_same(t[0], p) for t, p in zip(said, phrase, strict=True))
        if same and all(b[1] - a[2] <= 2 for a, b in pairwise(said)):
            return len(phrase), name, sku
    return None


def _line(scan: Scan, store: Catalogue, tokens: Sequence[tuple[str, int, int]], i: int) -> None:
    """The name of a line: with another word of the product close behind, or behind an article or "la bouilloire"."""
    word, start, end = tokens[i]
    members = store.lines[word]
    for j in (i + 1, i + 2, i + 3):
        if j < len(tokens) and tokens[j][1] - end < 24:
            fits = [m for m in members if any(_same(tokens[j][0], w) for w in m[0])]
            if len(fits) == 1:
                scan.add("product", fits[0][1], start, tokens[j][2], fits[0][2])
                return
    if _ARTICLE.search(scan.text, max(0, start - 10), start) or (len(members) == 1 and _named(scan, start)):
        name, sku = (members[0][1], members[0][2]) if len(members) == 1 else (scan.text[start:end], "")
        scan.add("product", name, start, end, sku)


def _named(scan: Scan, start: int) -> bool:
    """Whether a foreign noun stands before a line's name, "la bouilloire Quay", that is neither a person nor a product."""
    text = scan.text
    return (
        scan.language != "en"
        and _NOUN.search(text, max(0, start - 40), start) is not None
        and scan.free(max(0, start - 3), start)
        and not _PERSON.search(text, max(0, start - 20), start)
    )
