# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""People behind a router: runs in a host of the lab, against the sink of its traffic.py. The router has Python only.

usage: users.py PROFILE SECONDS IPV4 IPV6 [SEED]

busy: connections that last, and ten new ones a second; steady: a third of that, for a router that has more to do;
bursty: a heavy transfer and some connections, then silence, each of random length; quiet: one short connection every
few seconds. Prints "ready" once something was answered, and at the end "tried N answered N", in connections.
"""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import threading
import time

PORT = 7000
PATIENCE = 4.0
PAYLOAD = bytes(400)
GAP = {"bursty": (0.2, 6.0), "quiet": (2.0, 10.0)}
BURST = (0.3, 4.0)


class Users:
    """Everybody, until ``until`` (monotonic)."""

    def __init__(self, until: float, addresses: list[tuple[int, str]], seed: int) -> None:
        self.until = until
        self.addresses = addresses
        self.random = random.Random(seed)
        self.tried = self.answered = 0
        self.lock = threading.Lock()

    def over(self) -> bool:
        return time.monotonic() > self.until

    def visit(self, family: int, address: str, packets: int, pause: float) -> None:
        """One TCP connection: requests and their answers."""
        answered = 0
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(PATIENCE)
            one.connect((address, PORT))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _number in range(packets):
                one.sendall(PAYLOAD)
                answered += bool(one.recv(65536))
                if self.over():
                    break
                time.sleep(pause)
        with self.lock:
            self.tried += 1
            self.answered += answered > 0
            if answered and self.answered == 1:
                print("ready", flush=True)

    def call(self, family: int, address: str, pause: float) -> None:
        """UDP both ways at a fixed rate, whether it is answered or not. ``pause``: seconds between two packets."""
        with socket.socket(family, socket.SOCK_DGRAM) as one, contextlib.suppress(OSError):
            one.connect((address, PORT))
            one.setblocking(False)
            while not self.over():
                with contextlib.suppress(OSError):
                    one.send(PAYLOAD)
                with contextlib.suppress(OSError):
                    one.recv(65536)
                time.sleep(pause)

    def start(self, what: object, *arguments: object) -> None:
        threading.Thread(target=what, args=arguments, daemon=True).start()  # type: ignore[arg-type]

    def busy(self, pause: float = 0.1) -> None:
        """``pause``: seconds between two new connections."""
        for family, address in self.addresses:
            self.start(self.visit, family, address, 10**9, pause / 2)
            self.start(self.call, family, address, pause / 2)
        while not self.over():
            self.start(self.visit, *self.random.choice(self.addresses), self.random.randint(1, 4), 0.02)
            time.sleep(pause)

    def steady(self) -> None:
        self.busy(0.3)

    def bursty(self) -> None:
        while not self.over():
            end = min(self.until, time.monotonic() + self.random.uniform(*BURST))
            family, address = self.random.choice(self.addresses)
            while time.monotonic() < end:
                if self.random.random() < 0.2:
                    self.start(self.visit, *self.random.choice(self.addresses), 2, 0.0)
                self.visit(family, address, self.random.randint(1, 60), 0.01)
            time.sleep(self.random.uniform(*GAP["bursty"]))

    def quiet(self) -> None:
        while not self.over():
            self.visit(*self.random.choice(self.addresses), self.random.randint(1, 3), 0.1)
            time.sleep(self.random.uniform(*GAP["quiet"]))


def main() -> None:
    profile, seconds, ipv4, ipv6, *seed = sys.argv[1:]
    addresses = [(int(socket.AF_INET), ipv4), (int(socket.AF_INET6), ipv6)]
    users = Users(time.monotonic() + float(seconds), addresses, int(*seed) if seed else 1)
    {"busy": users.busy, "steady": users.steady, "bursty": users.bursty, "quiet": users.quiet}[profile]()
    time.sleep(0.5)
    print(f"tried {users.tried} answered {users.answered}", flush=True)


if __name__ == "__main__":
    main()
