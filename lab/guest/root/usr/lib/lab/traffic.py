# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic through the router: `sink` runs in the WAN host and sends back what it gets, `send` runs in the LAN host.

`send` drives one TCP and one UDP flow over IPv4 and over IPv6, at a fixed low rate, and prints one line for each flow:
NAME SENT RETURNED BYTES, where RETURNED packets and BYTES went to the WAN host and came back. It exits with 1 when
nothing came back on a flow.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import threading
import time

PORT = 7000
PAYLOAD = bytes(200)
WAN_HOST = {4: (socket.AF_INET, "203.0.113.2"), 6: (socket.AF_INET6, "2001:db8:203::2")}
ESTABLISHED = 5  # packets returned on every flow before --background returns
PATIENCE = 20.0  # seconds for that; a quarter of it for a TCP connection
IDLE = 120.0  # seconds of silence after which the sink drops a TCP connection


def echo_tcp(connection: socket.socket) -> None:
    """Send back what arrives, until the other end closes or falls silent."""
    connection.settimeout(IDLE)
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(65536):
            connection.sendall(data)


def sink() -> None:
    """Serve TCP and UDP on PORT, IPv4 and IPv6, forever."""
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind(("::", PORT))

    def echo_udp() -> None:
        while True:
            with contextlib.suppress(OSError):
                udp.sendto(*udp.recvfrom(65536))

    threading.Thread(target=echo_udp, daemon=True).start()
    listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        connection, _address = listener.accept()
        threading.Thread(target=echo_tcp, args=(connection,), daemon=True).start()


class Flow:
    """One connection and what it carried."""

    def __init__(self, protocol: str, version: int) -> None:
        self.name = f"{protocol}{version}"
        self.sent = 0
        self.returned_bytes = 0
        family, address = WAN_HOST[version]
        self.socket = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE / 4)
        self.error = ""
        try:
            self.socket.connect((address, PORT))
            if protocol == "tcp":
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as exc:
            self.error = str(exc)
        self.socket.setblocking(False)

    @property
    def returned(self) -> int:
        """Packets returned, computed from bytes because TCP may merge segments."""
        return self.returned_bytes // len(PAYLOAD)

    def send(self) -> None:
        """Send one packet. It is lost during a re-plug or when the TCP window is full, as on a real network."""
        with contextlib.suppress(OSError):
            self.sent += bool(self.socket.send(PAYLOAD))

    def collect(self) -> None:
        """Count what has come back since the last call."""
        with contextlib.suppress(OSError):
            while data := self.socket.recv(65536):
                self.returned_bytes += len(data)


def drive(flows: list[Flow], rate: float, deadline: float, until: int | None = None) -> None:
    """Send `rate` packets a second per flow until `deadline` (monotonic), or until each flow has `until` returned."""
    tick = time.monotonic()
    while tick < deadline and (until is None or any(flow.returned < until for flow in flows)):
        for flow in flows:
            flow.send()
            flow.collect()
        tick = max(tick + 1 / rate, time.monotonic() - 1)
        time.sleep(max(0.0, tick - time.monotonic()))


def report(flows: list[Flow]) -> int:
    for flow in flows:
        print(flow.name, flow.sent, flow.returned, flow.returned_bytes, flow.error, flush=True)
    return 0 if all(flow.returned for flow in flows) else 1


def detach() -> bool:
    """Fork into a session of its own; returns False in the parent, True in the child."""
    if os.fork():
        return False
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    return True


def send(seconds: float, rate: float, background: bool) -> int:
    flows = [Flow(protocol, version) for version in (4, 6) for protocol in ("tcp", "udp")]
    if background:
        drive(flows, rate, time.monotonic() + PATIENCE, until=ESTABLISHED)
        code = report(flows)
        if code or not detach():
            return code
        drive(flows, rate, time.monotonic() + seconds)
        return 0
    drive(flows, rate, time.monotonic() + seconds)
    time.sleep(0.3)
    for flow in flows:
        flow.collect()
    return report(flows)


def main() -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("sink")
    sender = commands.add_parser("send")
    sender.add_argument("--seconds", type=float, required=True)
    sender.add_argument("--rate", type=float, required=True)
    sender.add_argument("--background", action="store_true")
    args = parser.parse_args()
    if args.command == "sink":
        sink()
    return send(args.seconds, args.rate, args.background)


if __name__ == "__main__":
    sys.exit(main())
