from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import BrokenFile
from agent.pack import load_pack
from agent.patterns import expand

PROMPTS = Path(__file__).resolve().parents[2] / "prompts"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the pack and of the sample store's own files, to be broken."""
    shutil.copytree(PROMPTS / "pack", tmp_path / "pack")
    (tmp_path / "store").mkdir()
    for path in (PROMPTS / "sample_store").glob("*.yaml"):
        shutil.copy(path, tmp_path / "store")
    return tmp_path


def broken(files: Path, name: str, change: Callable[[str], str]) -> BrokenFile:
    """The error that the loader gives once the file is changed."""
    path = files / name
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before, "the test changes nothing"
    path.write_text(after, encoding="utf-8")
    with pytest.raises(BrokenFile) as caught:
        load_pack(files, files / "store")
    return caught.value


def swap(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def test_the_pack_of_the_sample_store_loads_and_is_whole(files: Path):
    pack = load_pack(files, files / "store")
    assert pack.severity_order == ("S1", "S2", "S3", "S4")
    assert {pack.sla.policy({"severity": s}).id for s in pack.severities} == {"critical", "high", "medium", "low"}
    assert next(iter(pack.issue_types)) == "product_safety"
    assert pack.more_severe("S3", "S2") == "S2"
    assert pack.more_severe("", "S4") == "S4"
    assert pack.more_severe("", "") == ""


def test_the_version_changes_with_any_file_and_with_nothing_else(files: Path):
    first = load_pack(files, files / "store").version
    assert load_pack(files, files / "store").version == first
    path = files / "store/products.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "# a remark\n", encoding="utf-8")
    assert load_pack(files, files / "store").version != first


KINDS: list[tuple[str, str, str, str, str]] = [
    # file, what stands there, what is put there, words of the problem, words of the fix
    ("pack/issue_types.yaml", "primary_team: product_safety", "primary_team: safety_squad", "team `safety_squad`", "product_safety"),
    ("pack/issue_types.yaml", "collaborators: [returns, merchandising]", "collaborators: [returns, shopkeepers]", "team `shopkeepers`", "merchandising"),
    ("pack/issue_types.yaml", "{risk_fraud: [delivered_scan]}", "{risk_fraud: [delivered_scam]}", "condition `delivered_scam`", "delivered_scan"),
    ("pack/issue_types.yaml", "{risk_fraud: [delivered_scan]}", "{frauds: [delivered_scan]}", "team `frauds`", "risk_fraud"),
    ("pack/issue_types.yaml", "default_severity: S2", "default_severity: S9", "severity `S9`", "S1"),
    ("pack/issue_types.yaml", "needs: [order_id, photos]", "needs: [order_id, fotos]", "need `fotos`", "photos"),
    ("pack/issue_types.yaml", "flag_teams: {legal: legal", "flag_teams: {lawful: legal", "flag `lawful`", "legal"),
    ("pack/issue_types.yaml", "flag_teams: {legal: legal", "flag_teams: {legal: lawyers", "team `lawyers`", "legal"),
    ("pack/issue_types.yaml", "    title: Chargeback\n", "", "title: Field required", "add this key"),
    ("pack/issue_types.yaml", "human_lead: true", "human_lead: sometimes", "valid boolean", "correct this value"),
    ("pack/issue_types.yaml", "title: Product bug", "titel: Product bug", "titel", "remove or rename"),
    ("pack/issue_types.yaml", "collaborators: [payments_finance]", "collaborators: payments_finance", "valid tuple", "correct this value"),
    ("pack/severity.yaml", "id: injury, severity: S1", "id: injury, severity: S0", "severity `S0`", "S1"),
    ("pack/severity.yaml", "any: [hazard]", "any: [hazzard]", "signal `hazzard`", "hazard"),
    ("pack/severity.yaml", "any: [legal], none: [joke]", "any: [legal], none: [yoke]", "signal `yoke`", "joke"),
    ("pack/severity.yaml", "all: [need_date, within_days]", "all: [need_date, in_days]", "signal `in_days`", "within_days"),
    ("pack/severity.yaml", "any: [injury], floor", "any: [injury], types: [injuries], floor", "issue type `injuries`", "product_safety"),
    ("pack/severity.yaml", "id: hazard,", "id: injury,", "`injury` stands there twice", "rename one"),
    ("pack/severity.yaml", "deadline_within_h: 24", "deadline_within_h: a day", "valid integer", "correct this value"),
    ("pack/severity.yaml", "S2, value_over: high_value", "S2, value_over: 500", "high_value", "correct this value"),
    ("pack/severity.yaml", "any: [injury], floor: true", "any: [injury], flor: true", "flor", "remove or rename"),
    ("pack/severity.yaml", "today: [goods_leaving]", "today: [goods_gone]", "signal `goods_gone`", "goods_leaving"),
    ("pack/flags.yaml", "safety: {any: [injury, hazard]", "safety: {any: [injuries, hazard]", "signal `injuries`", "injury"),
    ("pack/flags.yaml", "none: [joke], types: []", "none: [jokes], types: []", "signal `jokes`", "joke"),
    ("pack/flags.yaml", "types: [conduct_or_welfare]", "types: [conduct]", "issue type `conduct`", "conduct_or_welfare"),
    ("pack/flags.yaml", "any: [grief]", "any: [griev]", "signal `griev`", "grief"),
    ("pack/flags.yaml", "sad: {any: [grief, self_harm]}", "sad: {any: [sadness]}", "signal `sadness`", "grief"),
    ("pack/teams.yaml", "returns: {title: Returns,", "goods_back: {title: Returns,", "team `returns`", "goods_back"),
    ("pack/teams.yaml", "teams:", "squads:", "squads: Extra inputs", "remove or rename"),
    ("pack/sla.yaml", "when: {severity: [S1]}", "when: {severity: [S5]}", "severity `S5`", "S4"),
    ("pack/sla.yaml", "when: {severity: [S2]}", "when: {issue_type: [late]}", "issue type `late`", "not_received_or_late"),
    ("pack/sla.yaml", "    when: {severity: [S2]}\n", "", "policy `high` has no conditions", "only the last is the default"),
    ("pack/sla.yaml", "  - id: low\n", "  - id: low\n    when: {severity: [S4]}\n", "policy `low` stands last and has conditions", "the default"),
    ("pack/sla.yaml", "id: high", "id: critical", "`critical` stands there twice", "rename one"),
    ("pack/sla.yaml", "first_reply: {within: 30 min,", "first_reply: {within: 9 h,", "`critical` gives the first reply more time (9 h) than the resolution (8 h)", "the shorter one"),
    ("pack/sla.yaml", "within: 30 min", "within: 0 min", "must be more than nothing", "correct this value"),
    ("pack/sla.yaml", "within: 30 min", "within: 99999999999999 h", "must be at most ten years", "correct this value"),
    ("pack/sla.yaml", "next_update: {within: 2 business days", "next_update: {within: 3600 business days", "too few within ten years", "open time"),
    ("pack/sla.yaml", "within: 30 min", "within: -5 min", "not a target like", "correct this value"),
    ("pack/sla.yaml", "untriaged: S2", "untriaged: S0", "severity `S0`", "S1"),
    ("pack/sla.yaml", "signal: data_request", "signal: data_requests", "signal `data_requests`", "data_request"),
    ("pack/sla.yaml", "thresholds: [50, 80, 100]", "thresholds: [50, 120]", "less than or equal to 100", "correct this value"),
    ("pack/teams.yaml", "escalates_to: owner}", "escalates_to: boss}", "team `boss`", "owner"),
    ("pack/teams.yaml", "channel: notices}", "channel: notices, escalates_to: support_lead}", "in a circle", "escalate to nobody"),
    ("pack/teams.yaml", "channel: notices, escalates_to: owner}", "channel: smoke, escalates_to: owner}", "channel `smoke`", "notices"),
    ("pack/teams.yaml", "hours: business", "hours: busyness", "calendar `busyness`", "business"),
    ("pack/teams.yaml", "notices: {kind: file}", "notices: {kind: pigeon}", "'file', 'slack', 'email' or 'webhook'", "correct this value"),
    ("pack/teams.yaml", "notices: {kind: file}", "notices: {kind: slack}", "needs `secret`", "correct this value"),
    ("pack/teams.yaml", "notices: {kind: file}", "notices: {kind: email, to: [a@evil.example]}", "in none of `staff_domains`", "the staff's own"),
    ("pack/teams.yaml", "channel: notices}", "channel: notices, on_call: [ana]}", "member `ana`", ""),
    ("pack/sla.yaml", "within: 30 min", "within: half an hour", "not a target like", "correct this value"),
    ("pack/sla.yaml", "calendar: business}", "calendar: busyness}", "calendar `busyness`", "business"),
    ("pack/sla.yaml", "Europe/London", "Europe/Londinium", "unknown time zone", "correct this value"),
    ("pack/sla.yaml", '["09:00-17:00"]', '["09:00-17:00", "16:00-18:00"]', "windows overlap on mon", "correct this value"),
    ("pack/sla.yaml", '["09:00-17:00"]', '["nine to five"]', "not a window like", "correct this value"),
    ("pack/sla.yaml", "holidays: GB-ENG", "holidays: Narnia", "no public holidays", "correct this value"),
    ("pack/sla.yaml", "always_open: true", "always_open: false", "no open time", "correct this value"),
    ("pack/sla.yaml", "waiting_carrier]", "waiting_postman]", "status `waiting_postman`", "waiting_carrier"),
    ("pack/authority.yaml", "draft_limit_role: reviewer", "draft_limit_role: intern", "role `intern`", "reviewer"),
    ("pack/authority.yaml", "goodwill_up_to: 25", "goodwill_up_to: plenty", "valid decimal", "correct this value"),
    ("pack/signals.yaml", "signals:\n", "signals:\n  odd:\n    any: ['(unclosed']\n", "pattern of `odd`", "correct the expression"),
    ("pack/signals.yaml", "signals:\n", "signals:\n  odd:\n    any: ['(?:maybe)?']\n", "matches the empty text", "mandatory"),
    ("pack/signals.yaml", "signals:\n", "signals:\n  odd:\n    any: []\n", "at least 1 item", "correct this value"),
    ("pack/signals.yaml", "negations:\n", "negations:\n  - '[a-'\n", "pattern of `negations`", "correct the expression"),
    ("pack/harms.yaml", "harms:\n", "harms:\n  odd: {issue_types: [oddness], any: [odd], phrase: {en: odd}}\n", "issue type `oddness`", "product_safety"),
    ("pack/harms.yaml", "harms:\n", "harms:\n  odd: {issue_types: [], any: ['odd('], phrase: {en: odd}}\n", "pattern of `odd`", "correct the expression"),
    ("store/store.yaml", "time_zone: Europe/London", "time_zone: Europe/Fernhill", "unknown time zone", "correct this value"),
    ("store/store.yaml", "high_value: {GBP: 500, EUR: 500, USD: 500}", "high_value: {}", "at least 1 item", "correct this value"),
    ("store/store.yaml", "  legal: Idris Cole", "  lawyer: Idris Cole", "team `lawyer`", "legal"),
    ("store/store.yaml", "name: Fernhill\n", "name: [Fernhill]\n", "valid string", "correct this value"),
    ("store/policy.yaml", "topics: [", "topics: [weather, ", "issue type `weather`", "product_safety"),
    ("store/policy.yaml", "      en:", "      eo:", "has no text in English", "add `en`"),
    ("store/products.yaml", "price:", "prize:", "prize", "remove or rename"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "problem", "fix"), KINDS, ids=[f"{k[0]}: {k[3]}" for k in KINDS])
def test_a_broken_pack_names_file_line_and_fix(files: Path, name: str, old: str, new: str, problem: str, fix: str):
    path = files / name
    started = path.read_text(encoding="utf-8").split(old, 1)[0].count("\n") + 1
    error = broken(files, name, swap(old, new))
    told = str(error)
    assert problem in error.problem
    assert fix in error.fix
    assert Path(error.path).name in {path.name, "issue_types.yaml"}
    if path.name == Path(error.path).name and "S5" not in problem:
        assert abs(error.line - started) <= 6, (error.line, started)
    assert told.count("\n") == 0
    assert told.startswith(f"{error.path}, line {error.line}: ")
    assert error.line > 0


EVERY_FILE = [
    *(f"pack/{n}.yaml" for n in ("issue_types", "severity", "flags", "teams", "sla", "authority", "signals")),
    *(f"store/{n}.yaml" for n in ("store", "products", "policy")),
]


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_missing_file_is_named_with_the_way_out(files: Path, name: str):
    (files / name).unlink()
    with pytest.raises(BrokenFile, match=r"is missing; restore it") as caught:
        load_pack(files, files / "store")
    assert caught.value.path.endswith(name)


@pytest.mark.parametrize("name", EVERY_FILE)
def test_bad_indentation_is_named_by_its_line(files: Path, name: str):
    error = broken(files, name, lambda text: text + "\n  : [unclosed\n")
    assert "not valid YAML" in error.problem
    assert error.line >= len((files / name).read_text(encoding="utf-8").splitlines()) - 2
    assert "indentation" in error.fix


@pytest.mark.parametrize(
    ("name", "old", "new", "key"),
    [
        ("pack/teams.yaml", "teams:\n", "teams:\n  legal: {title: Legal}\n", "legal"),
        ("pack/severity.yaml", "  S4: {title: Low}\n", "  S4: {title: Low}\n  S4: {title: Lower}\n", "S4"),
        (
            "pack/sla.yaml",
            "      next_update: null\n",
            "      next_update: null\n      next_update: null\n",
            "next_update",
        ),
        ("store/store.yaml", "name: Fernhill\n", "name: Fernhill\nname: Hillfern\n", "name"),
        ("pack/sla.yaml", "{within: 30 min, ", "{within: 30 min, within: 40 min, ", "within"),
    ],
)
def test_a_key_that_stands_twice_is_refused_instead_of_the_last_one_winning(
    files: Path, name: str, old: str, new: str, key: str
):
    error = broken(files, name, swap(old, new))
    assert f"`{key}` stands there a second time" in error.problem
    assert error.fix == "remove one of the two"
    assert key in (files / name).read_text(encoding="utf-8").splitlines()[error.line - 1]


def test_a_file_that_is_not_utf8_is_named_by_its_line(files: Path):
    path = files / "pack/teams.yaml"
    path.write_bytes(path.read_bytes().replace(b"Returns", "Rückgaben".encode("latin-1"), 1))
    with pytest.raises(BrokenFile, match="not UTF-8; save it as UTF-8") as caught:
        load_pack(files, files / "store")
    assert b"R\xfcck" in path.read_bytes().splitlines()[caught.value.line - 1]


def test_characters_that_yaml_does_not_allow_are_named(files: Path):
    error = broken(files, "pack/teams.yaml", lambda text: text + "\x07")
    assert "not valid YAML" in error.problem


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "just words\n", "- a\n- b\n"])
def test_a_file_without_its_keys_is_refused(files: Path, content: str):
    error = broken(files, "pack/teams.yaml", lambda _: content)
    assert "valid dictionary" in error.problem


@pytest.mark.parametrize(
    ("name", "key"), [("pack/issue_types.yaml", "issue_types"), ("pack/severity.yaml", "severities")]
)
def test_a_pack_without_issue_types_or_severities_is_refused(files: Path, name: str, key: str):
    def emptied(text: str) -> str:
        lines, out, skipping = text.splitlines(keepends=True), [], False
        for line in lines:
            if line.startswith(f"{key}:"):
                out.append(f"{key}: {{}}\n")
                skipping = True
            elif not skipping or not line.startswith((" ", "#")):
                skipping = False
                out.append(line)
        return "".join(out)

    assert "at least 1 item" in broken(files, name, emptied).problem


def test_no_python_object_is_ever_made_from_a_file(files: Path):
    error = broken(files, "pack/teams.yaml", lambda text: text + "\nx: !!python/object/apply:os.getcwd []\n")
    assert error.problem == "a tag is not allowed here"


def test_a_wildcard_stands_for_up_to_five_words():
    for written in ("glass~ broken", "glass ~broken"):
        pattern = re.compile(expand(written))
        assert pattern.search("glass broken")
        assert pattern.search("glass on the very left is broken")
        assert not pattern.search("glass on the very left side is broken")
        assert not pattern.search("glass fell. It is broken")
