# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router like OpenWrt in a directory: the lab's root, entered in a mount namespace, with a stand-in for nft.

Devices are directories in its /sys. Scripts read MODULES instead of /proc/modules, which is not there where this
machine's kernel has no modules; the rest of /proc is this machine's.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.action import OffloadAction
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.arguments import validate
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.router import Router
from ansible_collections.kmod.nft_offload.plugins.plugin_utils._core.sections import Answer, Call, compose, parse

from lab.openwrt.root import RELEASES, THIS_MACHINE, make_root
from lab.programs import NoBusybox
from tests.unit.helpers.events import end_guards
from tests.unit.helpers.shells import NONCE

LISTS = Path(__file__).parents[1] / "lab/openwrt"
MODULES = "/etc/stand-in/modules"
NEEDS = {
    "nf_conntrack": "",
    "nf_flow_table": "nf_conntrack",
    "nf_flow_table_inet": "nf_flow_table",
    "nft_flow_offload": "nf_flow_table",
}
"""module -> the module that it needs"""
ETHTOOL = """#!/bin/sh
features=/etc/stand-in/features
case $1 in
-i) echo "driver: mtk_soc_eth" ;;
-k) value=$(sed -n "s/^$2 //p" $features) && echo "hw-tc-offload: ${value:-off [fixed]}" ;;
-K) sed -i "s/^$2 .*/$2 $4/" $features ;;
esac
"""
"""a stand-in for ethtool: features are the lines "DEVICE on|off" of /etc/stand-in/features; no other device has any"""
ENTER = """
mount -t proc none "$0/proc" && mount --bind /dev "$0/dev" || exit 125
exec chroot "$0" "$@"
"""


@cache
def why_not() -> str:
    """Why no such router can be entered here; empty where it can."""
    try:
        THIS_MACHINE.busybox()
    except NoBusybox as error:
        return str(error)
    if not all(map(shutil.which, ("unshare", "chroot", "mount"))):
        return "there is no unshare, chroot or mount here"
    look = ["unshare", "-m", "sh", "-c", "mount -t proc none /proc"]
    done = subprocess.run(look, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no namespace of our own: {done.stderr.strip()}"


# What the kernel would do with modules, which are texts here: "depends=" and the names of those they need
INSMOD = f"""#!/bin/sh
name=$(basename "$1" .ko)
needs=$(sed -n 's/^depends=//p' "$1")
awk -v name="$name" -v needs=",$needs," '
  index(needs, "," $1 ",") {{ $3 = $3 + 1; if ($4 == "-") $4 = ""; $4 = $4 name "," }}
  {{ print }}
  END {{ print name, 16384, 0, "-", "Live" }}' {MODULES} >/tmp/modules && cat /tmp/modules >{MODULES}
mkdir -p "/sys/module/$name"
"""
RMMOD = f"""#!/bin/sh
[ "$(sed -n "s/^$1 [0-9]* \\([0-9]*\\) .*/\\1/p" {MODULES})" = 0 ] || exit 1
awk -v name="$1" '
  $1 == name {{ next }}
  sub(name ",", "", $4) {{ $3 = $3 - 1; if ($4 == "") $4 = "-" }}
  {{ print }}' {MODULES} >/tmp/modules && cat /tmp/modules >{MODULES}
rmdir "/sys/module/$1"
"""


class OpenWrt:
    """``root`` is its root directory, ``release`` one of lab.openwrt.root.RELEASES."""

    def __init__(self, root: Path, release: str = "24.10.4") -> None:
        if why_not():
            pytest.skip(why_not())
        self.root = root
        root.mkdir(exist_ok=True)
        make_root(root, RELEASES[release])
        shutil.copy(LISTS / "nft.sh", root / "usr/sbin/nft")
        (root / "usr/sbin/nft").chmod(0o755)
        self.write(MODULES, "")
        self.write("/usr/lib/stand-in/insmod", INSMOD, 0o755)
        self.write("/usr/lib/stand-in/rmmod", RMMOD, 0o755)
        kmodloader = root / "sbin/kmodloader"
        kmodloader.write_text(kmodloader.read_text().replace("/proc/modules", MODULES))

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def read(self, path: str) -> str | None:
        file = self.path(path)
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/").replace("var/", "tmp/", 1)

    def device(self, name: str, kind: str = "", below: Sequence[str] = ()) -> None:
        """A network device; ``kind`` is what the kernel calls DEVTYPE."""
        self.write(f"/sys/class/net/{name}/uevent", f"DEVTYPE={kind}\n" if kind else "")
        for lower in below:
            self.path(f"/sys/class/net/{name}/lower_{lower}").mkdir()

    def sh(self, script: str, connection: str = "192.0.2.1 1 192.0.2.2 22") -> str:
        """What a login shell prints for a script on its standard input, errors too."""
        done = subprocess.run(
            # without this machine's networks: what the router asks of its own must not go there
            ["unshare", "-mn", "sh", "-c", ENTER, str(self.root), "/bin/ash", "-s"],
            input=script.replace("/proc/modules", MODULES).encode(),
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "SSH_CONNECTION": connection},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        assert done.returncode != 125, done.stdout.decode()
        return done.stdout.decode()

    def run(
        self, fragments: Sequence[str], calls: Sequence[Call], connection: str = "192.0.2.1 1 192.0.2.2 22"
    ) -> Answer:
        """One exec, as _core/router.py makes it."""
        return parse(self.sh(compose(NONCE, fragments, calls), connection), NONCE)

    def end(self) -> None:
        """End all guards that are still there, and what would start them again."""
        for change in self.path("/var/run/nft-offload/pending").glob("*"):
            end_guards(change)

    def do(
        self,
        module: type[OffloadAction],
        arguments: Mapping[str, Any],
        *,
        check: bool = False,
        way: Callable[[OpenWrt, str], Router] | None = None,
        before: str = "",
    ) -> tuple[dict[str, Any], int]:
        """A task of that module, without Ansible around it: (its result, how many execs it took).

        ``before`` is done first in each exec's namespace, where it may mount something.
        """
        action = module.__new__(module)
        action._task = SimpleNamespace(check_mode=check, diff=True, no_log=False)
        action.task_vars = {}
        router = (way or Execs)(self, before)
        result = action.work(router, validate(module.SPEC, module.CONSTRAINTS, arguments))
        return result, router.execs


class Execs(Router):
    """Execs on such a router; after ``reconnect`` they come over a new connection."""

    connection = "ssh"

    def __init__(self, router: OpenWrt, before: str = "") -> None:
        self.name = "router"
        self.before = before
        self.execs = 0
        self.connections = 1
        self._router = router

    def run(self, fragments: Sequence[str], calls: Sequence[Call] = ()) -> Answer:
        self.execs += 1
        script = f"{self.before}\n{compose(NONCE, fragments, calls)}"
        return parse(self._router.sh(script, f"192.0.2.1 {self.connections} 192.0.2.2 22"), NONCE)

    def reconnect(self, *, shared: bool = True) -> None:
        self.connections += 1
