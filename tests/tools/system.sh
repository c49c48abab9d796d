#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the system packages that the lab and the checks need, and only those that are missing.
# usage: system.sh PYTHON
set -eu

python=$1
# mke2fs is in a directory that is not in an ordinary user's PATH on Debian.
PATH=$PATH:/usr/sbin:/sbin

# command that succeeds where it is installed | its package on Debian and Ubuntu
missing=$(
  while IFS='|' read -r proof package; do
    sh -c "$proof" >/dev/null 2>&1 </dev/null || printf '%s ' "$package"
  done <<EOF
type qemu-system-x86_64|qemu-system-x86
type qemu-img|qemu-utils
type mmdebstrap|mmdebstrap
test -e /usr/share/keyrings/debian-archive-keyring.gpg|debian-archive-keyring
type newuidmap|uidmap
type mke2fs|e2fsprogs
type ssh|openssh-client
type git|git
type shellcheck|shellcheck
type busybox|busybox
type nft|nftables
type ip|iproute2
type conntrack|conntrack
type chromium|chromium
$python -c 'import ensurepip, venv'|python3-venv
EOF
)
missing=${missing% }

if [ -z "$missing" ]; then
  exit 0
fi

if ! type apt-get >/dev/null 2>&1; then
  echo "This system has no apt-get. Install the equivalents of these Debian packages, then run make again: $missing" >&2
  exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
  as_root=sudo
  if ! type sudo >/dev/null 2>&1; then
    echo "sudo is not installed. Run as root: apt-get install $missing" >&2
    exit 1
  fi
fi

echo "Installing system packages${as_root:+ with sudo}: $missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
# shellcheck disable=SC2086  # one word per package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends $missing
