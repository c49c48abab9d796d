# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: may change at any time.
"""What can a new connection to a router prove? Nothing where there is none, or it is inside of an old one. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from .._core.errors import OffloadError
from .._core.text import iterate_lines, split_words
from .checks import Check

WITHOUT_NETWORK = {
    "buildah", "chroot", "docker", "docker_api", "incus", "iocage", "jail", "kubectl", "libvirt_lxc", "local", "lxc",
    "lxd", "machinectl", "nsenter", "oc", "podman", "podman_unshare", "proxmox_pct_remote", "qubes", "vmware_tools",
    "aws_ssm", "zone", "funcd", "saltstack",
}  # fmt: skip
"""connection plugins, by the last part of their names, that open no connection to the router's own SSH server"""

REMEDY = (
    "reach the router over SSH; or add to {checks} what proves it, a reach or a command, such as {{from: controller, "
    "reach: ADDRESS, port: 22}}; or set {timeout}: 0 to go without a timer"
)


@dataclass(frozen=True)
class Login:
    """How the shell of an exec came to the router."""

    connection: str = ""
    """SSH_CONNECTION as sshd set it: address and port of the peer, address and port here; empty where it is not set"""
    device: str = ""
    """through which packets go to the peer"""
    tunnel: bool = False
    """whether that device is a tunnel"""

    @property
    def peer(self) -> str:
        """The address that the login came from; empty where that is no address."""
        return self._address(0)

    @property
    def from_itself(self) -> bool:
        """Whether the router logged in to itself, by whatever address it did."""
        peer = self.peer
        return bool(peer) and (
            self.device == "lo" or peer == self._address(2) or ipaddress.ip_address(peer).is_loopback
        )

    def _address(self, word: int) -> str:
        words = split_words(self.connection)
        try:
            return str(ipaddress.ip_address(words[word].partition("%")[0] if len(words) > word else ""))
        except ValueError:
            return ""


def parse_login(text: str) -> Login:
    """Lines KEY=VALUE of the section ``login`` (sh/read/login.sh) -> Login; unknown ones are skipped."""
    values = dict(line.split("=", 1) for line in iterate_lines(text) if "=" in line)
    return Login(values.get("ssh", "").strip(), values.get("device", "").strip(), values.get("tunnel", "") == "yes")


def refuse_plugin(plugin: str, timeout: int, checks: Sequence[Check], prefix: str = "") -> None:
    """Raise OffloadError for a connection plugin that makes no network connection, unless a check is a proof.

    ``plugin`` is its name, also with that of its collection; ``prefix`` is what the options' names begin with.
    """
    if timeout > 0 and not any(check.proves for check in checks) and plugin.rpartition(".")[2] in WITHOUT_NETWORK:
        raise _nothing_to_prove(f"ansible_connection is {plugin}", prefix)


def refuse_login(plugin: str, login: Login, timeout: int, checks: Sequence[Check], prefix: str = "") -> None:
    """The same, and for a router that sees no SSH connection behind this shell."""
    refuse_plugin(plugin, timeout, checks, prefix)
    if timeout > 0 and not any(check.proves for check in checks) and not login.peer:
        raise _nothing_to_prove("the router sees no SSH connection behind this login", prefix)


def _nothing_to_prove(why: str, prefix: str) -> OffloadError:
    options = {"checks": f"{prefix}checks", "timeout": f"{prefix}confirm_timeout"}
    return OffloadError(
        f"option {options['timeout']}: no new network connection can confirm this change, because {why}; a ruleset "
        "that drops everything would be confirmed",
        REMEDY.format(**options),
    )


def warn_of_outer_flow(login: Login, timeout: int, checks: Sequence[Check]) -> str:
    """What to say where a new connection is inside of one that was there before; else empty."""
    if timeout == 0 or any(not check.on_router for check in checks):
        return ""
    if login.from_itself:
        where = f"from the router itself ({login.peer}), as through a reverse tunnel or a forwarded port"
    elif login.tunnel:
        where = f"through the tunnel {login.device}"
    else:
        return ""
    return (
        f"the login came {where}: a new connection inside of it does not show that the outer one could be made again. "
        "A check would, such as {from: controller, reach: ADDRESS, port: 22} with an address of the router that does "
        "not go through it"
    )
