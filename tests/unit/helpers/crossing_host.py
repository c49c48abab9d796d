# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that sends packets of connections without having any: run by crossing.py, one line in for each line out.

A line names the steps to send, such as ``tcp4:40001:S udp6:40002``: protocol and family, the port of the flow on both
sides, and the flags of a TCP segment.
"""

from __future__ import annotations

import socket
import struct
import sys

FLAGS = {"S": 2, "SA": 18, "A": 16}


def main(peer4: str, peer6: str) -> None:
    peers = {"4": (socket.AF_INET, peer4), "6": (socket.AF_INET6, peer6)}
    raw = {}
    plain: dict[tuple[str, int], socket.socket] = {}
    for version, (family, _peer) in peers.items():
        raw[version] = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
        if version == "6":
            raw[version].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 16)
    for line in sys.stdin:
        for step in line.split():
            kind, port_text, *flags = step.split(":")
            port, version = int(port_text), kind[3:]
            family, peer = peers[version]
            if kind.startswith("tcp"):
                segment = struct.pack("!HHIIBBHHH", port, port, 1, 1, 5 << 4, FLAGS[flags[0]], 4096, 0, 0)
                raw[version].sendto(segment, (peer, 0))
            else:
                if (version, port) not in plain:
                    plain[version, port] = socket.socket(family, socket.SOCK_DGRAM)
                    if version == "6":
                        plain[version, port].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    plain[version, port].bind(("::" if version == "6" else "0.0.0.0", port))
                if flags != ["bind"]:
                    plain[version, port].sendto(b"x", (peer, port))
        print("sent", flush=True)


main(*sys.argv[1:])
