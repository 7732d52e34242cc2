from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from api import faultpoint
from api.faultpoint import POINTS
from api.settings import ROOT


def killed(stride: int) -> dict[str, Any]:
    """The scripted day, killed at every `stride`-th fault point, each time at one, and what went wrong."""
    memory = Path("/dev/shm")  # noqa: S108 - a killed process, not a power cut, is what is tried here
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        command = [sys.executable, "-m", "tests.api.crash_day", folder, str(stride)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout)
    assert set(result["hit"]) == POINTS, "a fault point that no step hits proves nothing"
    return result


@pytest.mark.timeout(300)
def test_kills_spread_over_a_day_lose_nothing_and_do_nothing_twice():
    result = killed(11)
    assert result["problems"] == {}
    assert result["kills"] >= 10


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_kill_at_every_step_of_a_day_loses_nothing_and_does_nothing_twice():
    result = killed(1)
    assert result["problems"] == {}
    assert result["kills"] >= len(POINTS)


def test_an_unlisted_fault_point_is_refused():
    with pytest.raises(ValueError, match="not listed"):
        faultpoint.faultpoint("nowhere")
