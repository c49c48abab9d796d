#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the package sources of tests/systems/root.py, inside its root directory: /srv/rpm and /srv/arch, with packages that
# are made up, by the names that the distributions have for them.
set -eu
export LC_ALL=C
mkdir -p /srv/rpm /srv/arch /tmp/rpm /tmp/arch

# program PATH OUTPUT: what a package has for a program
program() {
  mkdir -p "$(dirname "$1")"
  printf '#!/bin/sh\necho "%s"\n' "$2" >"$1"
  chmod 755 "$1"
}

# rpm NAME VERSION RELEASE REQUIRES SCRIPT FILES: FILES below /tmp/files; SCRIPT is run before it is installed
rpm() {
  {
    printf 'Name: %s\nVersion: %s\nRelease: %s\nSummary: made up\nLicense: none\nBuildArch: noarch\n' "$1" "$2" "$3"
    printf 'AutoReqProv: no\n'
    case $1 in
    base-files) echo 'Provides: /bin/sh' ;;
    kernel-modules-core) echo 'Provides: installonlypkg(kernel-module)' ;;
    esac
    for _need in $4; do echo "Requires: $_need"; done
    printf '%%description\nmade up\n%%install\n'
    for _file in $6; do echo "install -D -p /tmp/files$_file %{buildroot}$_file"; done
    [ -z "$5" ] || printf '%%pre\n%s\n' "$5"
    echo '%files'
    for _file in $6; do
      case $_file in /etc/*) printf '%%config(noreplace) ' ;; esac
      echo "$_file"
    done
  } >"/tmp/rpm/$1.spec"
  rpmbuild -bb --quiet --define '_rpmdir /srv/rpm' --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.rpm' \
    "/tmp/rpm/$1.spec" 2>/dev/null
}

# arch NAME VERSION DEPENDS FILES
arch() {
  _top=/tmp/arch/$1
  mkdir -p "$_top"
  {
    printf 'pkgname = %s\npkgbase = %s\npkgver = %s\npkgdesc = made up\nurl = none\n' "$1" "$1" "$2"
    printf 'builddate = 1700000000\npackager = none\nsize = %s\narch = any\nlicense = none\n' "$SIZE"
    for _need in $3; do echo "depend = $_need"; done
    for _file in $4; do case $_file in /etc/*) echo "backup = ${_file#/}" ;; esac done
  } >"$_top/.PKGINFO"
  for _file in $4; do install -D -p "/tmp/files$_file" "$_top$_file"; done
  # without ./ before their names, by which pacman takes files for its own, and .PKGINFO first
  (cd "$_top" && find . -mindepth 1 -maxdepth 1 -printf '%P\n' | sort |
    tar --owner=0 --group=0 -T - -cf "/srv/arch/$1-$2-any.pkg.tar")
}

SIZE=4096
program /tmp/files/usr/sbin/nft 'nftables v1.1.3 (made up)'
program /tmp/files/usr/sbin/ethtool 'ethtool version 6.15'
program /tmp/files/usr/sbin/conntrack 'conntrack v1.4.8'
for file in /usr/lib/libnftnl.so /etc/nftables.conf /usr/lib/systemd/system/nftables.service /usr/share/firewalld /base \
  /usr/share/broken /usr/share/halfway /lib/modules/5.14/nft_flow_offload.ko /lib/modules/6.12.0/nft_flow_offload.ko; do
  mkdir -p "/tmp/files${file%/*}"
  echo "$file" >"/tmp/files$file"
done
mkdir -p /tmp/files/heavy
dd if=/dev/urandom of=/tmp/files/heavy/file bs=1024 count=300 2>/dev/null

nftables='/usr/sbin/nft /etc/nftables.conf /usr/lib/systemd/system/nftables.service'
rpm base-files 1 1 '' '' /base
rpm libnftnl 1.2.9 1 '' '' /usr/lib/libnftnl.so
rpm nftables 1.1.3 1 libnftnl '' "$nftables"
rpm ethtool 6.15 1 '' '' /usr/sbin/ethtool
rpm conntrack-tools 1.4.8 1 libnftnl '' /usr/sbin/conntrack
rpm firewalld 2.3 1 nftables '' /usr/share/firewalld
rpm broken 1 1 nowhere '' /usr/share/broken
rpm halfway 1 1 '' 'exit 1' /usr/share/halfway
rpm heavy 1 1 '' '' /heavy/file
rpm kernel-modules-core 5.14.0 1.el9 '' '' /lib/modules/5.14/nft_flow_offload.ko
rpm kernel-modules-core 6.12.0 55.el10 '' '' /lib/modules/6.12.0/nft_flow_offload.ko
createrepo_c --quiet /srv/rpm

arch libnftnl 1.2.9-1 '' /usr/lib/libnftnl.so
arch nftables 1:1.1.3-1 libnftnl "$nftables"
arch ethtool 1:6.15-1 '' /usr/sbin/ethtool
arch conntrack-tools 1.4.8-1 libnftnl /usr/sbin/conntrack
arch firewalld 2.3-1 nftables /usr/share/firewalld
arch broken 1-1 nowhere /usr/share/broken
arch clash 1-1 '' /usr/share/firewalld
SIZE=307200 arch heavy 1-1 '' /heavy/file
repo-add --quiet /srv/arch/core.db.tar.gz /srv/arch/*.pkg.tar

rm -rf /tmp/rpm /tmp/arch /tmp/files /root/rpmbuild
