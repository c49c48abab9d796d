# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the lab."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from lab import api, inventory, labnic, routers, spec, suites
from lab.host import LabError, say, tail
from lab.login import command_line


def build(args: argparse.Namespace) -> int:
    for suite in args.suites or [suites.DEFAULT]:
        image = suites.ensure(suite)
        print(f"{suite}: kernel {image.info['kernel']}, {image.directory}")
    return 0


def up(args: argparse.Namespace) -> int:
    routers.up(spec.parse_all(args.routers), fresh=args.fresh)
    return 0


def down(args: argparse.Namespace) -> int:
    for name in routers.down(args.names):
        say(f"{name}: down")
    return 0


def status(_args: argparse.Namespace) -> int:
    running = routers.running_routers()
    for router in running:
        print(
            f"{router.name}: {router.suite}/{router.nic}, kernel {router.kernel}, port {router.port}, {router.accel}, "
            f"pid {router.machine.pid()}"
        )
    for name in sorted(set(routers.names()) - {router.name for router in running}):
        print(f"{name}: not running (`python -m lab down {name}` removes what it left)")
    if not routers.names():
        print("no routers")
    return 0


def _pass_through(name: str, command: list[str], wrap: str | None) -> int:
    """Run a command, or a shell, on this terminal. One word is a shell command line, several are taken word by word."""
    router = routers.get(name)
    command = command[1:] if command[:1] == ["--"] else command
    words = [command_line(command[0] if len(command) == 1 else command)] if command else []
    if wrap:
        words = [router.host_command(wrap, words[0] if words else "exec sh -i")]
    options = ["-t"] if sys.stdin.isatty() and (wrap is None or not command) else []
    return subprocess.run([*router.login.ssh(*options), *(["--", *words] if words else [])], check=False).returncode


def ssh(args: argparse.Namespace) -> int:
    return _pass_through(args.name, args.command, None)


def run(args: argparse.Namespace) -> int:
    return _pass_through(args.name, args.command, args.side)


def show_inventory(args: argparse.Namespace) -> int:
    chosen = [routers.get(name) for name in args.names] or routers.running_routers()
    print(inventory.as_yaml(chosen, args.group), end="")
    return 0


def traffic(args: argparse.Namespace) -> int:
    flows = api.drive_traffic(args.name, args.seconds, background=args.background)
    for flow in flows:
        print(flow)
    lost = [flow.flow for flow in flows if not flow.returned]
    if lost:
        raise LabError(f"nothing came back for {', '.join(lost)}", "look at the router's routes and ruleset")
    if args.background:
        print(f"every flow is established; the traffic goes on for {args.seconds:g} s")
    return 0


def reboot(args: argparse.Namespace) -> int:
    api.reboot(args.name)
    return 0


def replug(args: argparse.Namespace) -> int:
    api.replug(args.name, args.device)
    return 0


def fault(args: argparse.Namespace) -> int:
    api.set_faults(args.name, args.device, *args.faults)
    return 0


def logs(args: argparse.Namespace) -> int:
    print("\n".join(tail(routers.get(args.name).machine.console, args.lines)))
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m lab", description="Routers in virtual machines.")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add_command(name: str, function: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=function)
        return sub

    sub = add_command("build", build, "build router images that are not in the cache")
    known = f"{', '.join(suites.SUITES)} (default: {suites.DEFAULT})"
    sub.add_argument("suites", metavar="SUITE", nargs="*", help=known)
    sub = add_command("up", up, "bring routers up")
    sub.add_argument("routers", metavar="NAME[=SUITE/NIC]", nargs="+", help="such as edge-hw=trixie/offload")
    sub.add_argument("--fresh", action="store_true", help="boot from power-on, not from a saved state")
    sub = add_command("down", down, "take routers down and remove what they left; images stay")
    sub.add_argument("names", metavar="NAME", nargs="*", help="default: all")
    add_command("status", status, "list routers")
    sub = add_command("ssh", ssh, "log in to a router, or run a command on it")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("command", metavar="CMD", nargs=argparse.REMAINDER)
    sub = add_command("run", run, "run a command in the LAN host or the WAN host")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("side", choices=routers.SIDES)
    sub.add_argument("command", metavar="CMD", nargs=argparse.REMAINDER)
    sub = add_command("inventory", show_inventory, "print an Ansible inventory")
    sub.add_argument("--group", default="routers")
    sub.add_argument("names", metavar="NAME", nargs="*", help="default: all that are up")
    sub = add_command("traffic", traffic, "drive TCP and UDP, IPv4 and IPv6, from LAN to WAN and back")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("--seconds", type=float, default=5.0)
    sub.add_argument("--background", action="store_true", help="return as soon as every flow is established")
    sub = add_command("reboot", reboot, "reboot a router and wait for its next boot")
    sub.add_argument("name", metavar="NAME")
    sub = add_command("replug", replug, "pull a NIC out and plug a new one of the same name in")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("device", choices=("lan0", "wan0"))
    sub = add_command("fault", fault, "give a NIC that offloads exactly these faults; none makes it healthy again")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("device", metavar="DEVICE", help=f"such as lan0, or {labnic.EVERY}")
    sub.add_argument("faults", metavar="FAULT", nargs="*", help=", ".join(labnic.FAULTS))
    sub = add_command("logs", logs, "show the end of a router's console")
    sub.add_argument("name", metavar="NAME")
    sub.add_argument("--lines", type=int, default=40)
    return top


def _terminated(_signal: int, _frame: object) -> None:
    """SIGTERM ends a command like Ctrl-C, so that it cleans up after itself."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    args = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code: int = args.function(args)
        return code
    except LabError as error:
        say(f"error: {error}")
        if error.remedy:
            say(f"remedy: {error.remedy}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing half-made is left")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
