from __future__ import annotations

import ast
from pathlib import Path

import pytest

from api.errors import SettingsError
from api.settings import ROOT, Settings, load


def test_the_defaults_need_no_variable():
    settings = load({})
    assert (settings.model, settings.host, settings.port) == ("embedded", "127.0.0.1", 8000)
    assert settings.database.endswith("/var/desk.db")


def test_fallbacks_are_a_list_and_an_empty_store_is_none():
    settings = load({"DESK_FALLBACKS": "openai/a, ollama/b", "DESK_STORE": ""})
    assert settings.fallbacks == ("openai/a", "ollama/b")
    assert settings.store is None


def test_what_the_command_line_gives_wins():
    assert load({"DESK_PORT": "1"}, port=2).port == 2


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("DESK_PORT", "x", "integer"),
        ("DESK_PORT", "99999", "65535"),
        ("DESK_HOST", "0.0.0.0", "DESK_BEHIND_PROXY"),  # noqa: S104
        ("DESK_PROMPTS", "/nowhere", "no such folder"),
        ("DESK_LOG_LEVEL", "loud", "warning"),
        ("DESK_MODLE", "x", "Did you mean DESK_MODEL"),
        ("DESK_HOME", __file__, "a file"),
        ("DESK_DRAIN", "50", "less than or equal to 20"),
    ],
)
def test_a_broken_setting_is_one_sentence_with_variable_value_and_fix(variable: str, value: str, words: str):
    with pytest.raises(SettingsError, match=words) as caught:
        load({variable: value})
    assert variable in str(caught.value)
    assert value in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_secret_is_not_shown_by_its_settings():
    settings = load({"DESK_DATABASE_URL": "postgresql://desk:hunter2@db/desk", "DESK_SECRET": "hunter3"})
    assert "hunter" not in repr(settings)


def test_the_secret_of_an_integration_comes_from_its_variable_or_else_its_file(tmp_path: Path):
    (tmp_path / "FILED").write_text("from a file\n")
    (tmp_path / "BOTH").write_text("from a file")
    settings = load({"DESK_SECRET_ACME": "hunter2", "DESK_SECRET_BOTH": "hunter4", "DESK_SECRETS_DIR": str(tmp_path)})
    assert [settings.secret_named(name) for name in ("ACME", "FILED", "BOTH")] == ["hunter2", "from a file", "hunter4"]
    assert "hunter" not in repr(settings) + settings.model_dump_json()
    (tmp_path / "FILED").write_text("changed")
    assert settings.secret_named("FILED") == "changed"


def test_a_secret_that_is_not_there_is_named_with_both_ways_to_give_it(tmp_path: Path):
    (tmp_path / "EMPTY").write_text(" ")
    (tmp_path.parent / "outside").write_text("not yours")
    settings = load({"DESK_SECRET_BLANK": "", "DESK_SECRETS_DIR": str(tmp_path)})
    for name in ("NONE", "EMPTY", "BLANK", "../outside", "."):
        with pytest.raises(SettingsError, match=r"the secret is missing\. Set .*or put a file") as caught:
            settings.secret_named(name)
        assert f"DESK_SECRET_{name}" in str(caught.value)


def test_a_misspelt_secret_is_not_shown():
    for variable in ("DESK_SECRETS", "DESK_SECRETX", "DESK_SECRETS_DRI"):
        with pytest.raises(SettingsError) as caught:
            load({variable: "hunter2"})
        assert "hunter2" not in str(caught.value)
        assert variable in str(caught.value)


def test_every_setting_says_what_it_means():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_only_settings_read_the_environment_and_only_the_clock_asks_for_the_time():
    for package in ("api", "agent", "retrieval"):
        for path in (ROOT / package).rglob("*.py"):
            tree = list(ast.walk(ast.parse(path.read_text())))
            used = {ast.unparse(node) for node in tree if isinstance(node, ast.Attribute)}
            read = {ast.unparse(node.value) for node in tree if isinstance(node, ast.Subscript)}
            if path != ROOT / "api" / "settings.py":
                assert not used & {"os.environ.get", "os.getenv"}, path
                assert "os.environ" not in read, path
            if path != ROOT / "api" / "clock.py":
                assert not used & {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}, path
