"""Eval runs and ratings over HTTP and on pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.auth import Principal
from api.desk import DraftWork
from api.rating import Ratings
from api.sample import first_admin
from api.settings import load
from api.store import ratings as kept
from api.wiring import Runtime, build_runtime
from evals import stats
from evals.errors import RatingError
from evals.ratings import LEVELS
from evals.runs import Shelf
from tests.builders_ratings import BAD, BEST, planned, rating
from tests.builders_runs import hard, run, soft, trial
from tests.fakes.parts import quick_parts

SAME = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
GOOD = {"dims": BEST}
WRONG = {"dims": BAD, "first_fault": "wrong_fact"}


@pytest.fixture
def desk(tmp_path: Path, clock: Any) -> Runtime:
    async def drafter(_: DraftWork) -> dict[str, Any]:
        raise AssertionError("nothing is drafted here")

    return build_runtime(load({}, home=tmp_path), clock=clock, drafter=drafter, parts=quick_parts())


@pytest.fixture
def ada(desk: Runtime) -> Principal:
    return first_admin(desk)


@pytest.fixture
def people(desk: Runtime, ada: Principal) -> dict[str, Principal]:
    roles = {"ruth": "reviewer", "otto": "reviewer", "mia": "reviewer", "abel": "agent"}
    return {name: desk.doors.add_principal(ada, name, role) for name, role in roles.items()}  # type: ignore[arg-type]


@pytest.fixture
def ratings(desk: Runtime) -> Ratings:
    return Ratings(desk.store, desk.clock, desk.settings.prompts)


@pytest.fixture
def client(desk: Runtime) -> Iterator[TestClient]:
    with TestClient(create_app(desk), base_url="http://127.0.0.1", headers=SAME) as found:
        yield found


def enter(desk: Runtime, client: TestClient, who: Principal) -> TestClient:
    client.cookies.clear()
    client.get(f"/signin?token={desk.doors.make_link(who.id)}")
    return client


def every(desk: Runtime) -> list[Any]:
    with desk.store.read() as conn:
        return kept.every(conn)


# --- HTTP and pages ----------------------------------------------------------------------------------------------------


def keep_runs(desk: Runtime) -> Shelf:
    shelf = Shelf(desk.settings.home / "evals")
    shelf.save(run(*(trial(f"dmg-{n}") for n in range(6)), id="run_aaaa"), {})
    changed = trial("dmg-0", 0, hard(0.0, reason="FH-9 is <b>in</b> no source"), soft(), answer={"severity": "S1"})
    shelf.save(run(changed, *(trial(f"dmg-{n}") for n in range(1, 6)), id="run_bbbb"), {})
    return shelf


def test_the_pages_of_a_rater_hold_no_trace_of_engine_plan_or_other_ratings(
    desk: Runtime, client: TestClient, ratings: Ratings, people: dict[str, Principal]
):
    ruth, otto = people["ruth"], people["otto"]
    spoiled = planned(3, double=True, repeat=True, mutant="amount +10 %")
    ratings.offer(ruth, "run_secretengine", [spoiled])
    found = ratings.next(otto)
    assert found is not None
    ratings.rate(otto, found.item, WRONG | {"note": "ottos words"})
    enter(desk, client, ruth)
    page = client.get("/evals/rate")
    assert page.status_code == 200
    told = page.text + client.get("/v1/evals/ratings/next").text
    secrets = (
        "run_secret",
        "secretengine",
        spoiled.case,
        "amount +10",
        "ottos words",
        otto.id,
        "otto",
        "embedded",
        "judge",
    )
    assert [word for word in secrets if word in told] == []
    assert client.get("/v1/evals/ratings/next").json().keys() == {"item", "output", "done", "left"}
    assert client.get(f"/evals/rate/{found.item}").status_code == 404
    assert client.get(f"/evals/adjudicate/{found.item}").status_code == 409


def test_a_rating_by_form_goes_on_to_the_next_and_a_bad_one_keeps_what_was_typed(
    desk: Runtime, client: TestClient, ratings: Ratings, people: dict[str, Principal]
):
    enter(desk, client, people["ruth"])
    ratings.offer(people["ruth"], "run_a", [planned(0), planned(1)])
    page = client.get("/evals/rate").text
    to = re.findall(r'action="(/evals/rate/itm_\w+)"', page)[0]
    bad = client.post(to, data=BAD | {"note": "half a <thought>"})
    assert bad.status_code == 422
    assert "name the first thing that is wrong" in bad.text
    assert "half a &lt;thought&gt;" in bad.text
    assert 'value="fail" aria-describedby="facts_ok-fail-for" required checked' in bad.text
    done = client.post(to, data=BAD | {"first_fault": "wrong_fact", "quote": "Dear Ada,\r\n\r\nwe", "seconds": "31"})
    assert "Your rating is kept." in done.text
    assert re.findall(r'action="(/evals/rate/itm_\w+)"', done.text)[0] != to
    again = client.get(to).text
    assert 'name="supersedes" value="rtg_' in again
    (one,) = every(desk)
    assert (one.seconds, one.span) == (31, (0, 13))


def test_settling_shows_both_and_is_refused_to_those_who_rated(
    desk: Runtime, client: TestClient, ratings: Ratings, people: dict[str, Principal]
):
    ruth, otto, mia = (people[name] for name in ("ruth", "otto", "mia"))
    ratings.offer(ruth, "run_a", [planned(double=True)])
    found = ratings.next(ruth)
    assert found is not None
    ratings.rate(ruth, found.item, GOOD)
    ratings.rate(otto, found.item, WRONG | {"note": "which cup?"})
    to = f"/evals/adjudicate/{found.item}"
    assert enter(desk, client, ruth).get(to).status_code == 403
    enter(desk, client, mia)
    assert to in client.get("/evals/adjudicate").text
    page = client.get(to).text
    assert "which cup?" in page
    assert page.count("they differ") == 2
    assert client.post(to, data=BEST).url.path == "/evals/adjudicate"
    assert "Nothing to settle." in client.get("/evals/adjudicate").text


def test_the_calibration_page_shows_the_figures_of_the_statistics(
    desk: Runtime, client: TestClient, ratings: Ratings, people: dict[str, Principal]
):
    ruth, otto = people["ruth"], people["otto"]
    ratings.offer(ruth, "run_a", [planned(n, double=True) for n in range(100)])
    with desk.store.read() as conn:
        items = kept.items(conn)
    enter(desk, client, ruth)
    assert "Too few: 0 of 100" in client.get("/evals/calibration").text
    first = ["no" if n < 30 else "pass" for n in range(100)]
    second = ["no" if 10 <= n < 35 else "pass" for n in range(100)]
    first, second = (
        said for _, said in sorted(((ruth.id, first), (otto.id, second)))
    )  # raters stand in the order of ids
    with desk.store.write("rate_output") as conn:
        for who, said in zip(sorted((ruth.id, otto.id)), (first, second), strict=True):
            for number, (one, level) in enumerate(zip(items, said, strict=True)):
                kept.add(
                    conn, rating(one, who, number, dims=BAD if level == "no" else BEST, id=f"rtg_{who[-9:]}_{number}")
                )
    levels = LEVELS["safe_to_send"]
    kappa = stats.kappa(first, second, levels, quadratic=True)
    alpha = stats.alpha(list(zip(first, second, strict=True)), levels, scale="interval")
    told = client.get("/v1/evals/ratings/calibration").json()
    line = next(d for d in told["dimensions"] if d["name"] == "safe_to_send")
    assert told["enough"] is True
    assert line["kappa"]["value"] == pytest.approx(kappa.value)
    assert line["alpha"]["value"] == pytest.approx(alpha.value)
    row = client.get("/evals/calibration").text.partition("Safe to send</th>")[2].partition("</tr>")[0]
    assert kappa.value is not None
    assert alpha.value is not None
    assert f"{alpha.value:.2f}" in row
    assert f"{kappa.value:.2f}" in row
    assert f"{kappa.low:.2f} to {kappa.high:.2f}" in row


def test_runs_are_listed_shown_and_compared_with_flips_first(
    desk: Runtime, client: TestClient, people: dict[str, Principal]
):
    enter(desk, client, people["ruth"])
    assert "There is no run yet" in client.get("/evals/runs").text
    shelf = keep_runs(desk)
    (shelf.runs / "run_torn.json").write_text('{"v": 1')
    listed = client.get("/evals/runs").text
    assert "run_aaaa" in listed
    assert "cannot be read" in listed
    page = client.get("/evals/runs/run_bbbb").text
    assert "FH-9 is &lt;b&gt;in&lt;/b&gt; no source" in page
    assert " style=" not in page
    flipped = client.get("/evals/compare?before=run_aaaa&now=run_bbbb").text
    assert flipped.index('class="flip broke"') < flipped.index("Means of the cases")
    told = client.get("/v1/evals/compare?before=run_aaaa&now=run_bbbb").json()
    assert (told["broke"], told["mended"], told["diffs"][0]["case"]) == (1, 0, "dmg-0")
    assert [r["id"] for r in client.get("/v1/evals/runs").json()["items"] if not r["problem"]].count("run_bbbb") == 1
    assert client.get("/v1/evals/runs/run_bbbb").json()["passed"]["n"] == 6


def test_a_run_is_found_by_its_whole_id_only_and_no_other_file_is_read(
    desk: Runtime, client: TestClient, people: dict[str, Principal]
):
    enter(desk, client, people["ruth"])
    shelf = keep_runs(desk)
    (shelf.folder / "other.json").write_text((shelf.runs / "run_aaaa.json").read_text())
    for name in ("run_a", "latest", "run_aaaa.json", "..%2Fother", "%2e%2e%2fother", str(shelf.folder / "other.json")):
        assert client.get(f"/v1/evals/runs/{name}").status_code == 404, name
        refused = client.get("/v1/evals/compare", params={"before": "run_aaaa", "now": name}).status_code
        assert refused in {404, 422}, name


def test_a_run_of_another_suite_is_not_offered_and_says_why(
    desk: Runtime, client: TestClient, people: dict[str, Principal]
):
    enter(desk, client, people["ruth"])
    keep_runs(desk)
    refused = client.post("/v1/evals/runs/run_aaaa/ratings")
    assert refused.status_code == 422
    assert "other cases" in refused.json()["detail"]
    assert RatingError.__name__ not in refused.text


def test_an_agent_is_refused_on_every_page_of_the_evals(
    desk: Runtime, client: TestClient, people: dict[str, Principal]
):
    enter(desk, client, people["abel"])
    for path in (
        "runs",
        "runs/run_a",
        "compare",
        "rate",
        "rate/itm_0",
        "adjudicate",
        "adjudicate/itm_0",
        "calibration",
    ):
        assert client.get(f"/evals/{path}").status_code == 403, path
    for path in ("runs", "ratings/next", "ratings/rubric", "ratings/disagreements", "ratings/calibration"):
        assert client.get(f"/v1/evals/{path}").status_code == 403, path
    assert "/evals/runs" not in client.get("/desk").text
