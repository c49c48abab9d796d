# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Router images: a Debian suite's packages, the guest files and the NIC driver, made into a bootable disk once.

The cache key is a hash of everything that an image is made of, including this file, so no image is ever stale.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pwd
import secrets
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.host import LabError, cache_root, lock, need_space, run_logged, say, step, tool

HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest"
NIC = HERE / "nic"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

DISK_SIZE = "1G"  # of the router's disk; sparse
BUILD_SPACE = 2048  # MiB that a build may take while it runs

ROUTER_PACKAGES = (
    "initramfs-tools", "systemd-sysv", "udev", "kmod", "mount", "openssh-server", "sudo",
    "iproute2", "iputils-ping", "procps", "python3-minimal", "passwd", "klibc-utils", "cpio", "xz-utils",
)  # fmt: skip
# In the router's own apt repository and not installed: a role installs them.
OFFERED_PACKAGES = ("nftables", "ethtool", "conntrack")
DRIVER_PACKAGES = ("gcc", "make", "kmod")
UPLINK_PACKAGES = ("ppp", "pppoe", "wireguard-tools")

# Options for mmdebstrap. The Release files of testing are often past their Valid-Until.
OPTIONS: dict[str, tuple[str, ...]] = {"forky": ('--aptopt=Acquire::Check-Valid-Until "false"',)}


@dataclass(frozen=True)
class Suite:
    """What a router of a suite is made of."""

    release: str
    """of Debian"""
    kernel: str = "cloud-amd64"
    """flavour of its kernel"""
    packages: tuple[str, ...] = ()
    """besides those of every router"""


# The cloud kernel boots in half the time, but has no PPPoE.
SUITES = {
    **{release: Suite(release) for release in ("bookworm", "trixie", "forky")},
    **{f"{release}-generic": Suite(release, "amd64", UPLINK_PACKAGES) for release in ("bookworm", "trixie", "forky")},
}
DEFAULT_SUITE = "trixie"


@dataclass(frozen=True)
class Image:
    """A finished image: `root.qcow2`, `vmlinuz`, `initrd`, the login key and `info.json` in one directory."""

    suite: str
    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "root.qcow2"

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd"

    @property
    def login_key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def info(self) -> dict[str, str]:
        """`suite`, `kernel` (release) and `host_key` (one known_hosts line without the host)."""
        data: dict[str, str] = json.loads((self.directory / "info.json").read_text())
        return data


def images_root() -> Path:
    return cache_root() / "images"


def sources(top: Path) -> list[Path]:
    """The files below a directory, without __pycache__."""
    return sorted(path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def recipe_key(suite: str) -> str:
    """Hash of everything that makes the image of `suite`."""
    digest = hashlib.sha256(suite.encode())
    for path in [Path(__file__), *sources(GUEST), *sources(NIC)]:
        digest.update(f"\0{path.relative_to(HERE)}\0{os.access(path, os.X_OK)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def check_suite(suite: str) -> None:
    if suite not in SUITES:
        raise LabError(f"unknown suite: {suite}", f"known suites: {', '.join(SUITES)}")


def find(suite: str) -> Image | None:
    """The cached image of `suite`, if there is one for the current recipe."""
    check_suite(suite)
    image = Image(suite, images_root() / f"{suite}-{recipe_key(suite)}")
    return image if image.directory.is_dir() else None


def ensure(suite: str) -> Image:
    """The image of `suite`, built when it is not in the cache."""
    if image := find(suite):
        return image
    with lock(cache_root() / "locks" / suite, f"the image of {suite}") as lock_fd:
        if image := find(suite):
            return image
        image = Image(suite, images_root() / f"{suite}-{recipe_key(suite)}")
        _build(image, lock_fd)
        _prune(image)
        return image


def _build(image: Image, lock_fd: int) -> None:
    """Build in a temporary directory and move the result into place; the caller holds the suite's lock."""
    for name in ("mmdebstrap", "mke2fs", "qemu-img", "ssh-keygen"):
        tool(name)
    if not KEYRING.exists():
        raise LabError(f"no {KEYRING}: packages cannot be verified", "apt-get install debian-archive-keyring")
    images_root().mkdir(parents=True, exist_ok=True)
    need_space(images_root(), BUILD_SPACE)
    say(f"{image.suite}: building the router image (once; a minute or three)")

    # Only the holder of the lock builds this suite, so what is here was left by a build that died.
    work = cache_root() / "tmp" / image.suite
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    log = cache_root() / "logs" / f"{image.suite}.log"
    log.unlink(missing_ok=True)
    try:
        with _roots(work) as roots:
            builder = Builder(image.suite, work, roots, log, lock_fd)
            builder.keys()
            with step("the NIC driver, with the suite's compiler"):
                builder.driver()
            with step("the router's packages"):
                builder.root()
            with step("the disk"):
                builder.disk()
        work.joinpath("result").rename(image.directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def _roots(work: Path) -> Iterator[Path]:
    """A directory in which mmdebstrap can make root file systems.

    For an ordinary user it makes them with subordinate user ids, which may have no access to the user's cache
    directory, and only they can remove them again.
    """
    if os.getuid() == 0:
        roots = work / "roots"
        roots.mkdir()
        yield roots
        return
    outer = Path(tempfile.mkdtemp(prefix="nft-lab-", dir="/var/tmp"))
    outer.chmod(0o711)
    roots = outer / secrets.token_hex(8)
    roots.mkdir()
    roots.chmod(0o777)
    try:
        yield roots
    finally:
        subprocess.run([*as_root(), "sh", "-c", 'rm -rf "$1"/*', "sh", str(roots)], check=False)
        shutil.rmtree(outer, ignore_errors=True)


def as_root() -> list[str]:
    """Start of a command line that runs as root in a file system that mmdebstrap made for this user."""
    if os.getuid() == 0:
        return []
    tool("newuidmap")
    granted = Path("/etc/subuid").read_text() if Path("/etc/subuid").exists() else ""
    user = pwd.getpwuid(os.getuid()).pw_name
    if not any(line.split(":")[0] in (user, str(os.getuid())) for line in granted.splitlines()):
        raise LabError(
            f"{user} has no subordinate user ids, so it cannot build a root file system",
            f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
        )
    return [tool("mmdebstrap"), "--unshare-helper"]


@dataclass(frozen=True)
class Builder:
    """The steps of one build. `work/result` becomes the image's directory."""

    suite: str
    work: Path
    roots: Path
    log: Path
    lock_fd: int

    @property
    def result(self) -> Path:
        return self.work / "result"

    @property
    def contents(self) -> Suite:
        return SUITES[self.suite]

    def run(self, *command: str | Path, remedy: str = "") -> None:
        """Run a step, with its temporary files in a directory that is removed with the rest."""
        words, env = [str(word) for word in command], {"TMPDIR": str(self.roots)}
        run_logged(words, self.log, remedy=remedy, lock_fd=self.lock_fd, env=env)

    def mmdebstrap(self, packages: tuple[str, ...], target: Path, *hooks: str) -> None:
        """No mirror is named: mmdebstrap knows Debian's own, and the host's proxy settings apply."""
        self.run(
            tool("mmdebstrap"),
            f"--mode={'unshare' if as_root() else 'root'}",
            f"--format={'null' if target == Path('/dev/null') else 'directory'}",
            "--variant=apt",
            '--aptopt=APT::Install-Recommends "false"',
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            # Debian's own initramfs is made with the kernel but not used: keep it small.
            '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"',
            '--essential-hook=echo MODULES=list >"$1/etc/initramfs-tools/conf.d/lab"',
            f"--include={','.join(packages)}",
            *OPTIONS.get(self.contents.release, ()),
            *(f"--customize-hook={hook}" for hook in hooks),
            self.contents.release,
            target,
            remedy=f"is a Debian mirror reachable, and debian-archive-keyring recent? whole log: {self.log}",
        )  # fmt: skip

    def keys(self) -> None:
        self.result.mkdir()
        for name, comment in (("id_ed25519", "lab"), ("host_key", "lab router")):
            self.run(tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", self.result / name)

    def driver(self) -> None:
        """Compile the driver in a root of its own, so that the router gets no compiler."""
        make = "make -C /root/nic KERNEL=$(echo /lib/modules/*/build) && strip --strip-debug /root/nic/labnic.ko"
        self.mmdebstrap(
            (f"linux-headers-{self.contents.kernel}", *DRIVER_PACKAGES),
            Path("/dev/null"),
            f"copy-in {shlex.quote(str(NIC))} /root",
            f"chroot \"$1\" sh -c '{make}'",
            f"download /root/nic/labnic.ko {shlex.quote(str(self.work / 'labnic.ko'))}",
        )

    def root(self) -> None:
        archive = self.work / "guest.tar"
        login = (self.result / "id_ed25519.pub").read_bytes()
        with tarfile.open(archive, "w") as tar:
            for path in sources(GUEST / "root"):
                mode = 0o755 if os.access(path, os.X_OK) else 0o644
                _add(tar, str(path.relative_to(GUEST / "root")), path.read_bytes(), mode)
            _add(tar, "etc/ssh/ssh_host_ed25519_key", (self.result / "host_key").read_bytes(), 0o600)
            _add(tar, "etc/ssh/ssh_host_ed25519_key.pub", (self.result / "host_key.pub").read_bytes(), 0o644)
            _add(tar, "etc/ssh/lab_authorized_keys", login, 0o644)
            _add(tar, "usr/lib/lab/labnic.ko", (self.work / "labnic.ko").read_bytes(), 0o644)
            _add(tar, "root/customize.sh", (GUEST / "customize.sh").read_bytes(), 0o755)
        boot = self.work / "boot"
        self.mmdebstrap(
            (f"linux-image-{self.contents.kernel}", *ROUTER_PACKAGES, *self.contents.packages),
            self.roots / "router",
            f"tar-in {shlex.quote(str(archive))} /",
            f'chroot "$1" /root/customize.sh {" ".join(OFFERED_PACKAGES)}',
            'rm "$1/root/customize.sh"',
            f"copy-out /boot {shlex.quote(str(self.work))}",
        )
        kernels = sorted(boot.glob("vmlinuz-*"))
        if len(kernels) != 1:
            raise LabError(f"one kernel expected in the image, found {len(kernels)}", f"whole log: {self.log}")
        release = kernels[0].name.removeprefix("vmlinuz-")
        shutil.copy(kernels[0], self.result / "vmlinuz")
        shutil.copy(boot / "lab-initrd", self.result / "initrd")
        algorithm, key = (self.result / "host_key.pub").read_text().split()[:2]
        info = {"suite": self.suite, "kernel": release, "host_key": f"{algorithm} {key}"}
        (self.result / "info.json").write_text(json.dumps(info, indent=2) + "\n")
        (self.result / "host_key").unlink()

    def disk(self) -> None:
        """Fill the file system from the directory with mke2fs, without mounting it."""
        tree, raw = self.roots / "router", self.roots / "root.ext4"
        self.run(*as_root(), tool("mke2fs"), "-q", "-t", "ext4", "-L", "router", "-d", tree, raw, DISK_SIZE)
        self.run(tool("qemu-img"), "convert", "-f", "raw", "-O", "qcow2", raw, self.result / "root.qcow2")


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    """Add a file with owner root and this mode, whatever the checkout has."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = mode
    tar.addfile(member, io.BytesIO(content))


def _prune(keep: Image) -> None:
    """Remove the suite's images of older recipes. Routers that run from one keep its files open."""
    for directory in images_root().glob(f"{keep.suite}-{'?' * len(recipe_key(keep.suite))}"):
        if directory != keep.directory:
            shutil.rmtree(directory, ignore_errors=True)
