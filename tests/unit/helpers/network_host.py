# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the packet tests: runs in a network namespace, takes one command per line, answers each with one line.

Lines are literals of Python: a lab router has python3-minimal, which is without json and queue. An argument is the
seconds after which nothing will come any more. The servers answer every connection and every datagram with the address
and port that they saw it come from.
"""

from __future__ import annotations

import ast
import os
import random
import socket
import struct
import sys
import threading
import time
from typing import Any

PATIENCE = float(sys.argv[1]) if len(sys.argv) > 1 else 0.35
ICMP = {socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129)}

held: list[socket.socket] = []
arrived: dict[int, list[str]] = {}
"""protocol of IP -> what ``hear`` noted"""


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def describe_peer(peer: Any) -> bytes:
    """ "ADDRESS PORT" of the other end, as it is sent back to it."""
    return f"{peer[0].removeprefix('::ffff:')} {peer[1]}".encode()


def serve(port: int) -> None:
    """TCP and UDP, both families."""
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    # the answer must leave from the address that got the question
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    datagrams.bind(("::", port))

    def stream() -> None:
        while True:
            connection, peer = listener.accept()
            connection.sendall(describe_peer(peer))
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        try:
            while data := connection.recv(4096):
                size = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
                connection.sendall(str(size).encode() if data == b"mss" else data)
        except OSError:
            pass
        connection.close()

    def packets() -> None:
        while True:
            data, control, _flags, peer = datagrams.recvmsg(4096, 256)
            where = [(level, kind, value) for level, kind, value in control if kind == socket.IPV6_PKTINFO]
            datagrams.sendmsg([describe_peer(peer) if data == b"who" else data], where, 0, peer)

    for job in (stream, packets):
        threading.Thread(target=job, daemon=True).start()


def tcp(address: str, port: int, source: str = "", sport: int = 0, keep: bool = False, ask: str = "") -> str:
    """What the server saw; or refused, or nothing."""
    connection = socket.socket(family_of(address), socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    try:
        if source or sport:
            connection.bind((source, sport))
        connection.connect((address, port))
        seen = connection.recv(200).decode().split()[0]
        if ask:
            connection.sendall(ask.encode())
            seen = connection.recv(200).decode()
    except TimeoutError:
        return "nothing"
    except OSError:
        return "refused"
    if keep:
        held.append(connection)
    else:
        connection.close()
    return seen


def source_port(address: str, port: int) -> str:
    """The port that the server saw a connection come from."""
    with socket.create_connection((address, port), PATIENCE) as connection:
        return connection.recv(200).decode().split()[1]


def talk(data: str = "still there") -> str:
    """Over the connection that was kept last."""
    try:
        held[-1].sendall(data.encode())
        return held[-1].recv(200).decode()
    except OSError:
        return "nothing"


def release() -> str:
    while held:
        held.pop().close()
    return ""


def udp(address: str, port: int, source: str = "", sport: int = 0, count: int = 1, dscp: int = 0, mark: int = 0) -> str:
    """What the server saw of the last of so many datagrams; or refused, or nothing."""
    family = family_of(address)
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.settimeout(PATIENCE)
        if dscp:
            level, option = (
                (socket.IPPROTO_IP, socket.IP_TOS)
                if family == socket.AF_INET
                else (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
            )
            sender.setsockopt(level, option, dscp << 2)
        if mark:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        seen = "nothing"
        try:
            if source or sport:
                sender.bind((source, sport))
            sender.connect(socket.getaddrinfo(address, port, family, socket.SOCK_DGRAM)[0][4])
            for _each in range(count):
                sender.send(b"who")
                seen = sender.recv(200).decode().split()[0]
        except TimeoutError:
            return "nothing"
        except OSError:
            return "refused"
        return seen


def ping(address: str) -> str:
    family = family_of(address)
    protocol, request, reply = ICMP[family]
    with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
        raw.settimeout(PATIENCE)
        body = struct.pack("!BBHHH", request, 0, 0, os.getpid() & 0xFFFF, 1) + b"hello"
        if family == socket.AF_INET:
            total = sum(struct.unpack(f"!{len(body) // 2}H", body[: len(body) // 2 * 2])) + (
                (body[-1] << 8) if len(body) % 2 else 0
            )
            total = (total & 0xFFFF) + (total >> 16)
            body = body[:2] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + body[4:]
        try:
            raw.sendto(body, (address, 0))
            while True:
                data, peer = raw.recvfrom(2048)
                kind = data[(data[0] & 15) * 4] if family == socket.AF_INET else data[0]
                if kind == reply and peer[0] == address:
                    return "answer"
        except TimeoutError:
            return "nothing"
        except OSError:
            return "refused"


def hear(protocol: int) -> str:
    """Note packets of this protocol of IP as they arrive, for ``heard``."""

    def note(raw: socket.socket, header: bool) -> None:
        while True:
            data, peer = raw.recvfrom(4096)
            body = data[(data[0] & 15) * 4 :] if header else data
            arrived.setdefault(protocol, []).append(f"{peer[0]} {body[:4].hex()}")

    for family in ICMP:
        raw = socket.socket(family, socket.SOCK_RAW, protocol)
        threading.Thread(target=note, args=(raw, family == socket.AF_INET), daemon=True).start()
    return ""


def heard(protocol: int) -> str:
    """Source and first four bytes of the next of them; or nothing."""
    until = time.monotonic() + PATIENCE
    while not arrived.get(protocol) and time.monotonic() < until:
        time.sleep(0.01)
    return arrived[protocol].pop(0) if arrived.get(protocol) else "nothing"


def raw(address: str, protocol: int, body: str, source: str = "") -> str:
    """One packet of this protocol of IP with these bytes, as hexadecimal digits."""
    with socket.socket(family_of(address), socket.SOCK_RAW, protocol) as sender:
        if source:
            sender.bind((source, 0))
        sender.sendto(bytes.fromhex(body), (address, 0))
    return ""


def icmp6(address: str, kind: int, hops: int) -> str:
    """One ICMPv6 message; the kernel writes its checksum."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
        where = socket.getaddrinfo(address, 0, socket.AF_INET6, socket.SOCK_DGRAM)[0][4]
        raw.sendto(struct.pack("!BBHI", kind, 0, 0, 0) + bytes(16), where)
    return ""


def forge(source: str, address: str, port: int) -> str:
    """One IPv4 datagram with a source that is not ours."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        packet = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 31, 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(address)
        )
        raw.sendto(packet + struct.pack("!HHHH", random.randrange(1024, 65536), port, 11, 0) + b"who", (address, 0))
    return ""


def many(jobs: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Several of the functions above at the same time."""
    answers = [""] * len(jobs)

    def answer(number: int) -> None:
        name, options = jobs[number]
        answers[number] = str(globals()[name](**options))

    threads = [threading.Thread(target=answer, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def main() -> None:
    for line in sys.stdin:
        name, options = ast.literal_eval(line)
        print(repr(globals()[name](**options)), flush=True)


if __name__ == "__main__":
    main()
