# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accelerator QEMU uses: KVM where a guest really boots under it, else emulation (TCG).

That /dev/kvm exists proves nothing: in some virtual machines it opens and no guest ever runs.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.host import cache_root, step, tool
from lab.images import Image

PROOF = b"Run /init as init process"  # the kernel's last message before user space
TRANSLATIONS = 256  # MiB for translated code; QEMU's own default is far more
PATIENCE = 15  # seconds until PROOF must be on the console; one or two are enough where KVM works


@dataclass(frozen=True)
class Accel:
    """An accelerator. `name` is kvm or tcg; `reason` is a sentence for people."""

    name: str
    reason: str

    @property
    def options(self) -> tuple[str, ...]:
        if self.name == "kvm":
            return ("-accel", "kvm", "-cpu", "host")
        return ("-accel", f"tcg,thread=multi,tb-size={TRANSLATIONS}")

    @property
    def cmdline(self) -> str:
        """Kernel options. Emulation is three times as fast when programs load at the same addresses every time.

        On a busy host the guest would distrust its clock and read the HPET instead, which costs a third of a core.
        """
        return "" if self.name == "kvm" else "norandmaps nokaslr tsc=reliable"

    @property
    def memory(self) -> int:
        """MiB that QEMU needs on top of the router's own memory."""
        return 64 if self.name == "kvm" else 64 + TRANSLATIONS


@functools.cache
def qemu_version() -> str:
    text = subprocess.run([tool("qemu-system-x86_64"), "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"version (\S+)", text)
    return match.group(1) if match else text.strip()


def choose(image: Image, device: Path = Path("/dev/kvm")) -> Accel:
    """The accelerator for this host kernel and this QEMU: tried once, then remembered in the cache."""
    if not device.exists():
        return Accel("tcg", f"emulation: no {device}")
    if not os.access(device, os.R_OK | os.W_OK):
        return Accel("tcg", f"emulation: no access to {device} (members of the group kvm have it)")
    memory = cache_root() / "accel.json"
    key = f"{os.uname().release} qemu {qemu_version()}"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known:
        with step("trying a boot under KVM"):
            known = {key: boots_under_kvm(image)}
        fresh = memory.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(known))
        fresh.replace(memory)
    if known[key]:
        return Accel("kvm", "KVM: a guest booted under it")
    return Accel("tcg", f"emulation: {device} exists, but no guest boots under it")


def boots_under_kvm(image: Image) -> bool:
    """Whether the image's kernel, started without a disk, gets as far as PROOF."""
    command = [
        tool("qemu-system-x86_64"), "-nodefaults", "-display", "none", "-no-reboot", "-machine", "pc", "-m", "256",
        *Accel("kvm", "").options, "-serial", "stdio", "-kernel", str(image.kernel), "-initrd", str(image.initrd),
        "-append", "console=ttyS0 panic=-1",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
        output = done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
    return PROOF in output
