# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers with the package managers and the init system of other distributions, the real programs.

Each is a root directory of Debian's packages, made once and kept like the lab's images; a test has a copy of it, an
overlay that ends with the test, in a namespace without networks. What they leave out: the distribution. Its packages
are made up, by repositories.sh beside this file; no kernel, no service runs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.action import OffloadAction
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.arguments import validate
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.router import Router
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call, compose, parse
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._observe.state import FLOWTABLE_MODULES

from lab.host import cache_root, lock, need_space, run_logged, say, tool
from lab.images import OPTIONS
from tests.unit.helpers.shells import NONCE

HERE = Path(__file__).parent
SUITE = "forky"
"""the first with dnf 5, and with pacman and zypper of the versions that their distributions have"""
PACKAGES = (
    *("dnf", "dnf5", "zypper", "rpm", "createrepo-c", "pacman-package-manager", "libarchive-tools"),
    *("makepkg", "openrc", "busybox", "kmod", "procps"),
)
SPACE = 1024
"""MiB that the root directory takes"""

# The last argument is what runs there, behind the shell that mounts.
ENTER = """
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root" &&
mount -t proc none "$2/root/proc" && mount --bind /dev "$2/root/dev" || exit 125
cd / && exec chroot "$2/root" /bin/sh -s
"""


def why_not() -> str:
    """Why no such router can be entered here; empty where it can."""
    if os.geteuid() != 0:
        return "only root may make and enter the root directory of another distribution"
    return "" if shutil.which("unshare") and shutil.which("chroot") else "there is no unshare or no chroot here"


def ensure() -> Path:
    """The root directory that all have in common, made when it is not in the cache: some minutes."""
    recipe = f"{SUITE}\n{PACKAGES}\n{(HERE / 'repositories.sh').read_text()}"
    root = cache_root() / "systems" / hashlib.sha256(recipe.encode()).hexdigest()[:12]
    with lock(cache_root() / "locks" / "systems", "the package managers") as lock_fd:
        if not root.is_dir():
            shutil.rmtree(root.parent, ignore_errors=True)
            root.parent.mkdir(parents=True)
            need_space(root.parent, SPACE)
            say("package managers: building their root directory (once; some minutes)")
            _build(root, lock_fd)
    return root


def _build(root: Path, lock_fd: int) -> None:
    work = root.parent / "new"
    run_logged(
        [
            tool("mmdebstrap"),
            *("--mode=root", "--format=directory", "--variant=apt", '--aptopt=APT::Install-Recommends "false"'),
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")),
            f"--include={','.join(PACKAGES)}",
            *OPTIONS.get(SUITE, ()),
            *(f"--customize-hook={hook}" for hook in (f"copy-in {HERE / 'repositories.sh'} /srv", MAKE_REPOSITORIES)),
            *(SUITE, str(work)),
        ],
        cache_root() / "logs" / "systems.log",
        remedy="is a Debian mirror reachable, and debian-archive-keyring recent?",
        lock_fd=lock_fd,
        env={"TMPDIR": str(root.parent)},
    )
    work.rename(root)


MAKE_REPOSITORIES = 'chroot "$1" sh /srv/repositories.sh'


@dataclass(frozen=True)
class Distribution:
    """What a root directory needs to be a router of that distribution."""

    name: str
    command: str
    """of its package manager; those of the others are hidden, but for Debian's own"""
    os_release: str
    files: Mapping[str, str] = field(default_factory=dict)
    """path -> text"""
    links: Mapping[str, str] = field(default_factory=dict)
    """path -> what it leads to"""
    directories: tuple[str, ...] = ("/run/systemd/system",)
    prepare: str = ""
    """shell text that runs once: what is installed from the beginning"""


RPM_SOURCE = "[feed]\nname=feed\nbaseurl=file:///srv/rpm\nenabled=1\nautorefresh=1\ngpgcheck=0\nretries=1\n"
PACMAN_SOURCE = (
    "[options]\nArchitecture = auto\nCheckSpace\nDisableSandbox\nSigLevel = Never\n[core]\nServer = file:///srv/arch\n"
)
FEDORA = 'ID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora Linux 43"\n'
DNF = {"/etc/yum.repos.d/feed.repo": RPM_SOURCE, "/etc/dnf/libdnf5-plugins/local.conf": "[main]\nenabled = 0\n"}
BASE = "rpm -i /srv/rpm/base-files-1-1.rpm"
DISTRIBUTIONS = {
    one.name: one
    for one in (
        Distribution(
            "dnf4",
            "dnf",
            'ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="10"\nPRETTY_NAME="CentOS Stream 10"\n',
            DNF,
            {"/usr/bin/dnf": "dnf-3"},
            prepare=BASE,
        ),
        Distribution("dnf5", "dnf", FEDORA, DNF, {"/usr/bin/dnf": "dnf5"}, prepare=BASE),
        Distribution(
            "zypper",
            "zypper",
            'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\nPRETTY_NAME="openSUSE Tumbleweed"\n',
            {"/etc/zypp/repos.d/feed.repo": RPM_SOURCE, "/etc/zypp/systemCheck": ""},
            prepare=BASE,
        ),
        Distribution(
            "pacman",
            "pacman",
            'ID=arch\nPRETTY_NAME="Arch Linux"\n',
            {"/etc/pacman.conf": PACMAN_SOURCE},
            {"/etc/mtab": "/proc/self/mounts"},
        ),
    )
}


class System:
    """A router of that distribution; what differs from ``base`` is kept below ``place``."""

    def __init__(self, base: Path, place: Path, distribution: Distribution) -> None:
        self.base = base
        self.place = place
        self.distribution = distribution
        for name in ("upper", "work", "root"):
            (place / name).mkdir()
        for path in distribution.directories:
            self.path(path).mkdir(parents=True, exist_ok=True)
        self.write("/etc/os-release", distribution.os_release)
        for path, text in distribution.files.items():
            self.write(path, text)
        for path, target in distribution.links.items():
            self.path(path).parent.mkdir(parents=True, exist_ok=True)
            self.path(path).symlink_to(target)
        for command in {one.command for one in DISTRIBUTIONS.values()} - {distribution.command}:
            self.path("/usr/bin").mkdir(parents=True, exist_ok=True)
            os.mknod(self.path(f"/usr/bin/{command}"), stat.S_IFCHR)  # an overlay takes this for a file that is gone
        release = os.uname().release
        builtin = "".join(f"kernel/net/netfilter/{name}.ko\n" for name in FLOWTABLE_MODULES)
        self.write(f"/usr/lib/modules/{release}/modules.builtin", builtin)
        if distribution.prepare:
            self.sh(distribution.prepare)

    def path(self, path: str) -> Path:
        """Where a file stands that is not the same as in the root directory that all have in common."""
        return self.place / "upper" / path.lstrip("/")

    def write(self, path: str, text: str) -> None:
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")

    def sh(self, script: str) -> str:
        """What a shell of root prints there, errors too."""
        done = subprocess.run(
            ["unshare", "-mn", "--propagation", "private", "sh", "-c", ENTER, "sh", str(self.base), str(self.place)],
            input=script.encode(),
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode != 125, done.stdout.decode()
        return done.stdout.decode()

    def run(self, fragments: Sequence[str], calls: Sequence[Call], before: str = "") -> Answer:
        """One exec, as _core/router.py makes it; ``before`` is done first, where it may mount something."""
        return parse(self.sh(f"{before}\n{compose(NONCE, fragments, calls)}"), NONCE)

    def do(self, module: type[OffloadAction], arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a task of that module, without Ansible around it."""
        action = module.__new__(module)
        action._task = SimpleNamespace(check_mode=False, diff=True, no_log=False)
        action.task_vars = {}
        return action.work(Execs(self), validate(module.SPEC, module.CONSTRAINTS, arguments))


class Execs(Router):
    """Execs on such a router."""

    connection = "ssh"

    def __init__(self, system: System) -> None:
        self.name = "router"
        self.execs = 0
        self._system = system

    def run(self, fragments: Sequence[str], calls: Sequence[Call] = ()) -> Answer:
        return self._system.run(fragments, calls)
