"""The child in which texts are tried: it has little time, little memory, no secrets, and writes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api import trial
from api.fixtures import read_fixtures
from api.settings import ROOT
from api.texttree import read_tree, write_tree
from api.trial import try_texts
from tests.fakes.desk import PROMPTS

BOUNDS = """
import resource, sys
from pathlib import Path
from agent.errors import BrokenFile
from api import trial_child as child
import signal
signal.signal(signal.SIGPROF, child._stop)
child._limit(resource.RLIMIT_FSIZE, 0)
child._limit(resource.RLIMIT_AS, child._held() + child.MEMORY)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def spin():
    while True: pass
def said(work):
    try: work()
    except BrokenFile as broken: return broken.problem
    except OSError as error: return type(error).__name__
print(said(lambda: child._bounded(spin)))
print(said(lambda: child._bounded(lambda: bytearray(2 * child.MEMORY))))
print(said(lambda: child._bounded(lambda: (_ for _ in ()).throw(RecursionError()))))
print(said(lambda: Path(sys.argv[1]).write_text("x")))
"""


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The desk's own files in one language, laid out."""
    folder = tmp_path_factory.mktemp("laid")
    more = ("es", "fr", "it", "nl", "pt")
    others = shutil.ignore_patterns("*.jsonl", "de", "de.md", *more, *(f"{code}.*" for code in more))
    shutil.copytree(PROMPTS, folder / "prompts", ignore=others)
    write_tree(read_tree(folder / "prompts", folder / "prompts/sample_store"), folder / "laid")
    return folder / "laid"


def test_a_rendering_is_stopped_by_time_and_memory_and_nothing_is_written(tmp_path: Path):
    command = [sys.executable, "-c", BOUNDS, str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.splitlines() == [
        "rendering takes more than 250 ms", "rendering takes more than 64 MB", "tags are nested too deeply", "OSError",
    ], done.stderr  # fmt: skip
    assert not (tmp_path / "out").read_text() if (tmp_path / "out").exists() else True


def test_the_child_checks_renders_and_knows_no_secret(laid: Path, monkeypatch: pytest.MonkeyPatch):
    started: list[dict[str, Any]] = []
    real = subprocess.Popen

    def noted(*args: Any, **named: Any) -> Any:
        started.append(named)
        return real(*args, **named)

    monkeypatch.setattr(subprocess, "Popen", noted)
    tried = try_texts(laid, PROMPTS / "fixtures", ids=["reply/en/question", "brief/en"])
    assert tried.problems == ()
    assert tried.rendered == 2 * len([f for f in read_fixtures(PROMPTS / "fixtures") if f.fits("brief/en")])
    assert all(tried.marks)
    assert started[0]["env"] == {}


def test_a_child_that_is_killed_is_told_as_a_problem(laid: Path):
    tried = try_texts(laid, PROMPTS / "fixtures", wall_s=0.02)
    assert tried.problems[0].problem == "it takes too much time or memory"


def test_the_prompt_that_was_rendered_when_the_child_died_is_named(laid: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trial, "in_child", lambda *_: [{"at": "a.md"}, {"at": "b.md"}])
    assert try_texts(laid, PROMPTS / "fixtures").problems[0].file == "b.md"
