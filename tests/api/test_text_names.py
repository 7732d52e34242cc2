"""Names that try to leave the folders of the texts: nothing outside is read, nothing outside is written."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import BrokenFile
from api.texttree import Tree, path_named, read_tree, stamp, write_file, write_tree

UP = (
    "..", "%2e%2e", "%252e%252e", "．．", "。。", "‥", "․․", "..\x00", "\x00..", ". .", " ..", ".. ", "..;", ".%2e", "%2e.", "..%00",
    "\u200b..", "\ufeff..", "%c0%ae%c0%ae", "%uff0e%uff0e", "..%c0%af", "....//", "..\\", "..\u2215", "..%2f", "..%5c", "~",
)  # fmt: skip
SLASH = ("/", "\\", "%2f", "%5c", "//", "\u2215", "\uff0f")
WHOLE = (
    "", "/", "//", "/etc/passwd", "//server/share/x", "\\\\server\\share\\x", "C:\\x", "c:/x", "file:///etc/passwd", "http://x.example/a",
    "reply/en/", "/reply/en/question", "reply//question", "reply/./question", "reply/en/../question", "reply/en/question.md",
    "reply/en/question.md/x", "pack/../reply/x", "store/../prompts/x", "store", "a" * 65, "a/" * 6 + "a", "a b", "a\tb", "a\nb", "a\r", "\x7f",
    "reply/en/quest\u0131on\u0301", "ｒeply/x", "reply/en/*", "reply/en/?", "reply/{a,b}", "$HOME", "${HOME}/x", "$(id)", "`id`", "|id", "-rf ",
    ".hidden", "reply/.hidden", "CON.", "nul:", "aux.md", "reply/en/question\x00.md", "reply/en/question%00", "\u202emd.x", "\ud800", "é",
    "README.md", ".git/config", "reply/..", "../", "./", ".", "...", "a/..", "a/.", "a/...", "%", "%%", "a:b", "a;b", "a,b", "a=b", "a&b", "a@b", "a#b",
)  # fmt: skip
NAMES = sorted(
    {
        *WHOLE,
        *(f"{up}{s}x" for up, s in itertools.product(UP, SLASH)),
        *(f"reply{s}{up}{s}x" for up, s in itertools.product(UP[:8], SLASH)),
    }
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """Prompts, store, and a secret beside them that stays as it is."""
    prompts, store, secret = tmp_path / "in/prompts", tmp_path / "in/store", tmp_path / "secret.md"
    (prompts / "reply/en").mkdir(parents=True)
    (prompts / "pack").mkdir()
    store.mkdir(parents=True)
    secret.write_text("secret")
    (tmp_path / "in/x.md").write_text("secret")
    yield prompts, store, secret
    assert secret.read_text() == "secret"
    assert (tmp_path / "in/x.md").read_text() == "secret"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "secret.md"]
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == ["prompts", "store", "x.md"]


def test_there_are_at_least_200_names():
    assert len(NAMES) >= 200


def test_no_name_leads_out_of_the_folders(world: tuple[Path, Path, Path]):
    prompts, store, _ = world
    before = sorted(prompts.rglob("*")), sorted(store.rglob("*"))
    for name in NAMES:
        with pytest.raises(BrokenFile) as refused:
            write_file(prompts, store, path_named(name), "x")
        assert "\n" not in str(refused.value)
        assert "\x00" not in str(refused.value)
    assert (sorted(prompts.rglob("*")), sorted(store.rglob("*"))) == before


def test_a_good_name_is_written_whole_and_nothing_is_left_beside_it(world: tuple[Path, Path, Path]):
    prompts, store, _ = world
    write_file(prompts, store, path_named("reply/en/question"), "one")
    write_file(prompts, store, path_named("reply/en/question"), "two")
    write_file(prompts, store, path_named("store/policy"), "lines: {}\n")
    assert (prompts / "reply/en/question.md").read_text() == "two"
    assert [p.name for p in (prompts / "reply/en").iterdir()] == ["question.md"]
    assert [p.name for p in store.iterdir()] == ["policy.yaml"]


def test_a_link_is_neither_read_nor_written_through(world: tuple[Path, Path, Path]):
    prompts, store, secret = world
    (prompts / "reply/en/question.md").symlink_to(secret)
    with pytest.raises(BrokenFile, match="symbolic link"):
        read_tree(prompts, store)
    write_file(prompts, store, "reply/en/question.md", "mine")
    assert not (prompts / "reply/en/question.md").is_symlink()
    (prompts / "brief").symlink_to(secret.parent)
    with pytest.raises(BrokenFile, match="symbolic link"):
        read_tree(prompts, store)
    with pytest.raises(BrokenFile, match="symbolic link"):
        write_file(prompts, store, "brief/secret.md", "mine")


def test_a_folder_that_becomes_a_link_between_two_looks_leads_nowhere(
    world: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
):
    """The kernel refuses the link at the moment of opening, however the folder looked before."""
    prompts, store, secret = world
    (prompts / "reply/en/question.md").write_text("x")
    real = os.stat

    def swapped(name: object, *args: object, **named: object) -> os.stat_result:
        seen = real(name, *args, **named)  # pyright: ignore
        if name == "en":
            (prompts / "reply/en").rename(prompts / "reply/.old")
            (prompts / "reply/en").symlink_to(secret.parent)
        return seen

    monkeypatch.setattr(os, "stat", swapped)
    with pytest.raises(BrokenFile, match="symbolic link"):
        read_tree(prompts, store)


def test_a_file_that_is_no_plain_file_is_refused_at_once(world: tuple[Path, Path, Path]):
    prompts, store, _ = world
    os.mkfifo(prompts / "reply/en/pipe.md")
    with pytest.raises(BrokenFile, match="no plain file"):
        read_tree(prompts, store)


def test_what_editors_leave_beside_a_file_does_not_count(world: tuple[Path, Path, Path]):
    prompts, store, _ = world
    (prompts / "a.md").write_text("x")
    (prompts / ".#a.md").symlink_to("somebody@somewhere.1234")
    for name in (".a.md.swp", "a.md~", "a.md.bak", "#a.md#"):
        (prompts / name).write_text("half a file")
    assert read_tree(prompts, store).files == {"a.md": "x"}


def test_a_tree_is_laid_out_again_where_somebody_touched_it(world: tuple[Path, Path, Path], tmp_path: Path):
    laid = tmp_path / "in/prompts/laid"
    tree = Tree({"a.md": "one", "pack/sla.yaml": "two", "store/store.yaml": "three"})
    write_tree(tree, laid)
    (laid / "prompts/a.md").write_text("changed")
    (laid / "prompts/b.md").write_text("added")
    (laid / "store/store.yaml").unlink()
    (laid / "store/store.yaml").symlink_to(tmp_path / "secret.md")
    write_tree(tree, laid)
    assert read_tree(laid / "prompts", laid / "store") == tree


def test_the_stamp_follows_every_change_and_survives_a_broken_folder(world: tuple[Path, Path, Path]):
    prompts, store, _ = world
    (prompts / "a.md").write_text("x")
    seen = [stamp(prompts, store)]
    assert stamp(prompts, store) == seen[0]
    (prompts / "a.md").write_text("xy")
    seen.append(stamp(prompts, store))
    (prompts / "b.md").write_text("")
    seen.append(stamp(prompts, store))
    (prompts / "c").symlink_to(store)
    seen.append(stamp(prompts, store))
    assert len(set(seen)) == 4
