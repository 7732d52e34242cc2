"""Rules of the house that no type checker holds: floors, clocks, environment, sizes, and what the texts may share."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.desk import pack

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("retrieval", "agent", "evals", "api")
PROMPTS = ROOT / "prompts"
HISTORY = sorted((PROMPTS / "sample_store/history").glob("*.jsonl"))
STARTER = sorted([*(PROMPTS / "starter").glob("*.jsonl"), *(PROMPTS / "calibration").glob("*.jsonl")])
JUDGED = sorted((ROOT / "evals/datasets/judgement").glob("*.jsonl"))

ENVIRONMENT = {
    "api/settings.py": "the only reader of the desk's settings",
    "api/bench.py": "hands the environment on to the desk that it starts",
    "api/wiring.py": "switches a library's progress bars off before its import",
    "agent/llm_request.py": "tells a library not to fetch its price list, before its import",
    "retrieval/embed.py": "tells a library to stay offline, before its import",
    "retrieval/index.py": "hands its own environment to the process that tries the index",
}
"""Who may touch the environment, and why; a new name here needs a reason as good."""
MIGRATIONS = "api/store/migrations/versions/"
"""A migration is one list of statements in order, and is never changed again."""
CLOCKS = {"api/clock.py": "the only caller of now()"}
MOST_LINES, MOST_LINES_OF_FUNCTION = 400, 60


@cache
def modules() -> dict[str, ast.Module]:
    paths = (p for floor in FLOORS for p in (ROOT / floor).rglob("*.py"))
    return {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text(encoding="utf-8")) for p in sorted(paths)}


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, Any]]:
    for path, tree in modules().items():
        yield from ((path, node) for node in ast.walk(tree) if isinstance(node, kind))


# --- code ---------------------------------------------------------------------------------------------------------


def test_no_import_runs_upward_and_no_floor_sees_what_it_should_not():
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "0 broken" in done.stdout


def test_only_one_file_imports_the_vector_index():
    importers = {
        path for path, node in nodes(ast.Import) if any(a.name.split(".")[0] == "chromadb" for a in node.names)
    }
    importers |= {path for path, node in nodes(ast.ImportFrom) if (node.module or "").split(".")[0] == "chromadb"}
    assert importers == {"retrieval/index.py"}


def test_only_the_clock_asks_what_time_it_is():
    asked = {
        f"{path}:{node.lineno}" for path, node in nodes(ast.Call) if path not in CLOCKS and _asks_the_time(node.func)
    }
    assert asked == set()


def _asks_the_time(called: ast.expr) -> bool:
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name | ast.Attribute):
        return False
    of = called.value.id if isinstance(called.value, ast.Name) else called.value.attr
    return (of, called.attr) in {
        ("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today"), ("time", "time"),
        ("time", "time_ns"), ("time", "localtime"), ("time", "gmtime"),
    }  # fmt: skip


def test_only_the_settings_read_the_environment():
    touched = {path for path, node in nodes(ast.Attribute) if node.attr in {"environ", "environb", "getenv", "putenv"}}
    touched |= {path for path, node in nodes(ast.ImportFrom) for a in node.names if a.name in {"environ", "getenv"}}
    assert touched <= set(ENVIRONMENT)


def test_outside_the_settings_no_value_of_the_environment_is_used():
    """Setting a default for a library, or handing all of it on, are the only uses."""
    for path in set(ENVIRONMENT) - {"api/settings.py"}:
        source = (ROOT / path).read_text(encoding="utf-8")
        uses = re.findall(r"os\.environ\S*|getenv\S*", source)
        assert all(re.match(r"os\.environ(?:\.setdefault\(|,$)", use) for use in uses), (path, uses)


def test_every_module_says_what_it_is():
    silent = [path for path, tree in modules().items() if not (ast.get_docstring(tree) or "").strip()]
    assert silent == []


def test_no_file_is_too_long_to_be_read_at_once():
    long = {p: n for p in modules() if (n := (ROOT / p).read_text(encoding="utf-8").count("\n")) > MOST_LINES}
    assert long == {}


def test_no_function_is_too_long_to_be_read_at_once():
    long = {
        f"{path}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for kind in (ast.FunctionDef, ast.AsyncFunctionDef)
        for path, node in nodes(kind)
        if node.end_lineno - node.lineno + 1 > MOST_LINES_OF_FUNCTION and not path.startswith(MIGRATIONS)
    }
    assert long == {}


def test_tests_are_found_by_path_and_not_by_package():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


# --- files --------------------------------------------------------------------------------------------------------

_REGISTRIES = "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(?:org|com)", "crates" + r"\.io",
                        "index" + "-url", "extra-" + "index", "conda" + r"\.anaconda"])  # fmt: skip
_MACHINE = "|".join(
    [
        r"(?<![\w.<{/])/(?:wo" + r"rk|ro" + r"ot|Use" + r"rs)/\w",
        r"(?<![\w.<{/])/ho" + r"me/[a-z]+/",
        r"[A-Z]:\\Us" + "ers",
    ]
)


@cache
def texts_of_files() -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\n")
    found: dict[str, str] = {}
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".ico", ".woff2", ".npz", ".db"}:
            found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found


@pytest.mark.parametrize("pattern", [_REGISTRIES, _MACHINE], ids=["package registries", "paths of one machine"])
def test_no_file_holds_an_address_that_belongs_to_one_machine(pattern: str):
    files = texts_of_files()
    if not files:
        pytest.skip("not a git checkout")
    seen = re.compile(pattern)
    held = {f"{name}: {m[0]}" for name, text in files.items() for m in [seen.search(text)] if m}
    assert held == set()


# --- texts --------------------------------------------------------------------------------------------------------


@cache
def rows(path: Path) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def words_of(row: dict[str, Any]) -> list[str]:
    """All that was written in a row, with names, ids, amounts and addresses masked."""
    text = row.get("text") or "\n".join(m["text"] for m in row["messages"])
    who = (row.get("customer") or {}).get("name", "")
    names = set(re.findall(r"[^\W\d_]{2,}", who.lower()))
    masked = re.sub(r"\S+@\S+|https?://\S+", " @ ", text.lower())
    masked = re.sub(r"\S*\d\S*", " 0 ", masked)
    return ["n" if w in names else w for w in re.findall(r"[^\W\d_]+|[0@]", masked)]


def five_grams(words: list[str]) -> set[int]:
    return {hash(tuple(words[i : i + 5])) for i in range(len(words) - 4)}


def alike(texts: dict[str, set[int]], most: float) -> list[tuple[str, str, float]]:
    """Pairs that share more than `most` of the five-grams of the shorter one."""
    holders: dict[int, list[str]] = defaultdict(list)
    for name, grams in texts.items():
        for gram in grams:
            holders[gram].append(name)
    shared: Counter[tuple[str, str]] = Counter()
    for names in holders.values():
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                shared[a, b] += 1
    found = [(a, b, n / min(len(texts[a]), len(texts[b]))) for (a, b), n in shared.items()]
    return [(a, b, round(share, 2)) for a, b, share in found if share > most]


def test_no_two_texts_share_more_than_three_tenths_of_what_they_say():
    texts = {
        f"{path.stem}:{row['id']}": grams
        for path in (*HISTORY, *STARTER, *JUDGED, PROMPTS / "sample_store/open_cases.jsonl")
        for row in rows(path)
        if len(grams := five_grams(words_of(row))) >= 8
    }
    assert len(texts) > 1500
    assert alike(texts, 0.30) == []


def test_the_comparison_of_texts_sees_through_names_and_numbers():
    one = {"text": "Dear team, my kettle FH-104233 arrived cracked on 3 May and I want 20 EUR back. Ada Quist",
           "customer": {"name": "Ada Quist"}}  # fmt: skip
    other = {"text": "Dear team, my kettle FH-999999 arrived cracked on 9 May and I want 75 EUR back. Bo Lund",
             "customer": {"name": "Bo Lund"}}  # fmt: skip
    third = {"text": "Nobody told me that the sofa would come in eleven boxes, and I have a bad back you see."}
    grams = {str(i): five_grams(words_of(row)) for i, row in enumerate((one, other, third))}
    assert [(a, b) for a, b, _ in alike(grams, 0.30)] == [("0", "1")]


FIELDS = {
    "id", "channel", "lang", "opened_at", "first_reply_at", "resolved_at", "issue_type", "severity", "flags",
    "human_lead", "primary_team", "collaborators", "customer", "order_ref", "products", "messages", "remedy", "cost", "outcome",
    "aftermath", "satisfaction",
}  # fmt: skip
MAY_BE_EMPTY = {"flags", "human_lead", "collaborators", "order_ref", "products", "cost", "satisfaction", "aftermath"}
CHANNELS = {"email", "chat", "web_form", "phone", "social", "marketplace", "review", "bank", "api"}


def test_the_history_is_large_and_covers_every_type_severity_and_channel():
    past = [row for path in HISTORY for row in rows(path)]
    counts = Counter(row["lang"] for row in past)
    assert counts["en"] >= 350
    assert counts["de"] >= 60
    assert len({row["id"] for row in past}) == len(past)
    assert {row["issue_type"] for row in past} == set(pack().issue_types)
    assert {row["severity"] for row in past} == set(pack().severities)
    assert {row["channel"] for row in past} == CHANNELS
    german = [row for row in past if row["lang"] == "de"]
    assert {row["issue_type"] for row in german} == set(pack().issue_types)
    assert {row["severity"] for row in german} == set(pack().severities)


def test_every_past_escalation_has_all_its_fields_and_they_make_sense():
    for path in HISTORY:
        for row in rows(path):
            at = f"{path.name} {row['id']}"
            assert set(row) == FIELDS, at
            assert [f for f in FIELDS - MAY_BE_EMPTY if row[f] in (None, "", [], {})] == [], at
            assert row["opened_at"] <= row["first_reply_at"] <= row["resolved_at"], at
            assert {row["primary_team"], *row["collaborators"]} <= set(pack().teams), at
            assert row["messages"][0]["text"].strip(), at
            assert row["messages"][0]["from"] != "staff" or row["channel"] == "phone", at
            assert [m["at"] for m in row["messages"]] == sorted(m["at"] for m in row["messages"]), at
            assert {"kind", "note"} <= set(row["remedy"]), at
            assert row["satisfaction"] is None or 1 <= row["satisfaction"] <= 5, at


def test_there_are_enough_test_escalations_and_none_was_taught():
    judged = [row for path in JUDGED for row in rows(path)]
    assert len(judged) >= 120
    taught = {" ".join(words_of(row)) for path in (*HISTORY, *STARTER) for row in rows(path)}
    openings = {
        " ".join(words_of({"text": row["messages"][0]["text"], "customer": row["customer"]}))
        for path in HISTORY for row in rows(path)
    }  # fmt: skip
    for row in judged:
        text = " ".join(words_of(row))
        assert text not in taught | openings, row["id"]
        assert len(text) < 40 or not any(text in other for other in taught), row["id"]
