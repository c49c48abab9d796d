# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images beside a Debian router's image: what their keys depend on, and what a build leaves that was interrupted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from lab import derived, images, suites
from lab.alpine import image as alpine
from lab.derived import Workshop
from lab.host import LabError
from lab.images import Image
from lab.openwrt import image as openwrt

PARTS = [(openwrt, "openwrt-24.10", part) for part in ("uci.sh", "guest/sbin/procd", "root.py", "new")] + [
    (alpine, "alpine-3.23", part) for part in ("requirements.txt", "guest/etc/init.d/lab-hosts", "packages.py", "new")
]
"""module, suite, a file of it"""


@pytest.mark.parametrize(("module", "suite", "part"), PARTS)
def test_the_key_changes_with_every_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, suite: str, part: str
) -> None:
    here: Path = module.HERE
    copy = tmp_path / here.name
    shutil.copytree(here, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(here.parent / "programs.py", tmp_path)
    monkeypatch.setattr(module, "HERE", copy)
    before = module.recipe_key(suite)
    with (copy / part).open("a") as file:
        file.write("\n")
    assert module.recipe_key(suite) != before


@pytest.mark.parametrize("suite", [*openwrt.SUITES, *alpine.SUITES])
def test_the_key_changes_with_the_debian_image_and_the_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: str
) -> None:
    make_key = alpine.recipe_key if suite in alpine.SUITES else openwrt.recipe_key
    keys = {make_key(one) for one in (*openwrt.SUITES, *alpine.SUITES)}
    shutil.copytree(derived.FILES, tmp_path / "hosts")
    (tmp_path / "hosts/new").write_text("")
    with monkeypatch.context() as patch:
        patch.setattr(derived, "FILES", tmp_path / "hosts")
        keys.add(make_key(suite))
    monkeypatch.setattr(images, "recipe_key", lambda _suite: "another")
    keys.add(make_key(suite))
    assert len(keys) == len(openwrt.SUITES) + len(alpine.SUITES) + 2


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), LabError("no"), OSError("disk full")])
@pytest.mark.parametrize("suite", ["openwrt-24.10", "alpine-3.23"])
def test_an_interrupted_build_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: str, trouble: BaseException
) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    monkeypatch.setattr(images, "ensure", lambda suite: Image(suite, tmp_path / "base"))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    (tmp_path / "images").mkdir()
    monkeypatch.setattr(derived, "tool", lambda name: name)
    monkeypatch.setattr(derived, "BUILD_SPACE", 0)
    module = alpine if suite in alpine.SUITES else openwrt

    def stop(shop: Workshop) -> None:
        (shop.work / "half").write_text("")
        raise trouble

    def finish(shop: Workshop) -> None:
        (shop.work / "result").mkdir()

    with monkeypatch.context() as patch:
        patch.setattr(module, "make", stop)
        with pytest.raises(type(trouble)):
            module.ensure(suite)
    assert not list((tmp_path / "images").iterdir())
    assert not list((tmp_path / "tmp").iterdir())
    monkeypatch.setattr(module, "make", finish)
    assert suites.ensure(suite) == derived.find(suite, module.recipe_key(suite))
