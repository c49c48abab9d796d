# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image cache: what its key depends on, and that a build which does not finish leaves nothing in it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from lab import images
from lab.host import LabError, run_logged


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what images are made of, to change."""
    copy = tmp_path / "lab"
    shutil.copytree(images.HERE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, part in (("HERE", "."), ("GUEST", "guest"), ("NIC", "nic"), ("__file__", "images.py")):
        monkeypatch.setattr(images, name, copy / part)
    return copy


@pytest.fixture
def builder_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds nothing: writes small files where the real steps write large ones. The steps around them are real."""

    def keys(self: images.Builder) -> None:
        self.result.mkdir()

    def root(self: images.Builder) -> None:
        (self.result / "info.json").write_text('{"kernel": "6.12"}')

    monkeypatch.setattr(images, "tool", lambda name: name)
    monkeypatch.setattr(images, "KEYRING", Path("/"))
    monkeypatch.setattr(images, "BUILD_SPACE", 0)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(images.Builder, "keys", keys)
    monkeypatch.setattr(images.Builder, "driver", lambda self: None)
    monkeypatch.setattr(images.Builder, "root", root)
    monkeypatch.setattr(images.Builder, "disk", lambda self: None)


def test_the_key_is_the_same_for_the_same_recipe(recipe: Path) -> None:
    assert images.recipe_key("trixie") == images.recipe_key("trixie")
    assert images.recipe_key("trixie") != images.recipe_key("forky")


@pytest.mark.parametrize("part", ["nic/nic.c", "guest/customize.sh", "guest/root/usr/lib/lab/net", "images.py"])
def test_the_key_changes_with_every_part(recipe: Path, part: str) -> None:
    before = images.recipe_key("trixie")
    with (recipe / part).open("a") as file:
        file.write("\n")
    assert images.recipe_key("trixie") != before


def test_the_key_changes_with_a_new_file_a_name_and_a_mode(recipe: Path) -> None:
    keys = [images.recipe_key("trixie")]
    new = recipe / "guest/root/etc/new"
    new.touch()
    keys.append(images.recipe_key("trixie"))
    new = new.rename(new.with_name("newer"))
    keys.append(images.recipe_key("trixie"))
    new.chmod(0o755)
    keys.append(images.recipe_key("trixie"))
    assert len(set(keys)) == len(keys)


def test_the_key_ignores_the_rest_of_the_lab(recipe: Path) -> None:
    before = images.recipe_key("trixie")
    (recipe / "cli.py").write_text("")
    compiled = recipe / "guest/root/usr/lib/lab/__pycache__/traffic.cpython-311.pyc"
    compiled.parent.mkdir(parents=True)
    compiled.touch()
    assert images.recipe_key("trixie") == before


def test_a_build_is_found_again_and_takes_the_place_of_older_ones(cache: Path, builder_stands_in: None) -> None:
    old, other = cache / "images/trixie-0123456789ab", cache / "images/forky-0123456789ab"
    old.mkdir(parents=True)
    other.mkdir()
    built = images.ensure("trixie")
    assert images.find("trixie") == built
    assert built.info["kernel"] == "6.12"
    assert sorted(p.name for p in (cache / "images").iterdir()) == [other.name, built.directory.name]
    assert not (cache / "tmp/trixie").exists()


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), LabError("no"), OSError("disk full")])
@pytest.mark.parametrize("at", ["keys", "driver", "root", "disk"])
def test_an_interrupted_build_leaves_nothing(
    cache: Path, builder_stands_in: None, monkeypatch: pytest.MonkeyPatch, at: str, trouble: BaseException
) -> None:
    def stop(_self: images.Builder) -> None:
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(images.Builder, at, stop)
        with pytest.raises(type(trouble)):
            images.ensure("trixie")
    assert images.find("trixie") is None
    assert not list((cache / "images").iterdir())
    assert not list((cache / "tmp").iterdir())
    assert images.ensure("trixie").directory.is_dir()


def test_what_a_killed_build_left_is_cleared_away(cache: Path, builder_stands_in: None) -> None:
    left = cache / "tmp/trixie/result/root.qcow2"
    left.parent.mkdir(parents=True)
    left.write_text("half an image")
    assert not list(images.ensure("trixie").directory.glob("root.qcow2"))
    assert not left.exists()


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(LabError, match="unknown suite: sid"):
        images.ensure("sid")


def test_a_failing_command_shows_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(LabError, match="exit code 3:\n    no such mirror") as caught:
        run_logged([sys.executable, "-c", "import sys; print('no such mirror'); sys.exit(3)"], log)
    assert str(log) in caught.value.remedy
