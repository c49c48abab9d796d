#!/bin/sh
# A stand-in for OpenWrt's `opkg`. It leaves out: every command but update, install, remove, status,
# list-installed and list, every option but --noaction and --autoremove, and what feed.sh leaves out.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Messages come from bug reports. As the real program (2025) was seen to do:
#   where the flash runs full, install says nothing, ends with 0 and leaves truncated files;
#   update that fails ends with 1, and with 0 where only a signature is bad ("Signature check failed.").
# From its source, and not compared: --noaction downloads too; while another opkg holds /var/lock/opkg.lock, every command
# fails with this message.
# shellcheck disable=SC2154 # feed.sh sets feed and installed
lists=/var/opkg-lists/openwrt_kmods
info=/usr/lib/opkg/info
# shellcheck source=/dev/null
. /usr/lib/stand-in/feed.sh
mkdir -p "$info" "${lists%/*}"
dry=
auto=
errors=
[ ! -e /var/lock/opkg.lock ] || ! type flock >/dev/null || {
  exec 9</var/lock/opkg.lock
  flock -n 9 || {
    printf 'Collected errors:\n * opkg_conf_load: Could not lock /var/lock/opkg.lock: Resource temporarily unavailable.\n' >&2
    exit 255
  }
}
while [ "${1#--}" != "$1" ]; do
  [ "$1" != --noaction ] || dry=yes
  [ "$1" != --autoremove ] || auto=yes
  shift
done

collect() {
  errors="$errors * $*
"
}

finish() {
  [ -n "$errors" ] || exit 0
  printf 'Collected errors:\n%s' "$errors" >&2
  exit 255
}

# truncate_files LIST FREE NEEDED: of each file as much as there is room for
truncate_files() {
  while read -r file; do
    dd if="$file" of=/tmp/truncated bs=1 count=$(($(wc -c <"$file") * $2 / $3)) 2>/dev/null
    cat /tmp/truncated >"$file"
  done <"$1"
}

# has_kernel NAME: is it for the installed kernel? The messages are those of 24.10, or of earlier releases
has_kernel() {
  for_kernel=$(index_line "$1" | cut -d ' ' -f 3)
  [ "$for_kernel" != - ] && [ "$for_kernel" != "$(version_of kernel)" ] || return 0
  case $for_kernel in
  *~*) collect "pkg_hash_check_unresolved: cannot find dependency kernel (= $for_kernel) for $1" ;;
  *)
    collect "satisfy_dependencies_for: Cannot satisfy the following dependencies for $1:"
    collect "	kernel (= $for_kernel)"
    return 1
    ;;
  esac
  collect "pkg_hash_fetch_best_installation_candidate: Packages for $1 found, but incompatible with the architectures configured"
  return 1
}

install_one() {
  for name in $(plan_for "$1"); do
    case $name in
    \?*)
      echo "Unknown package '${name#\?}'."
      collect "opkg_install_cmd: Cannot install package $1."
      return
      ;;
    esac
    has_kernel "$name" || {
      collect "opkg_install_cmd: Cannot install package $1."
      return
    }
    echo "Installing $name ($(index_line "$name" | cut -d ' ' -f 2)) to root..."
    has_file "$name" || {
      collect "opkg_download: Failed to download http://feed/$name.ipk, wget returned $(if [ -e "$feed/down" ]; then echo 4; else echo 8; fi)."
      collect "opkg_install_pkg: Failed to download $name. Perhaps you need to run 'opkg update'?"
      collect "opkg_install_cmd: Cannot install package $1."
      return
    }
    echo "Downloading http://feed/$name.ipk"
    [ -n "$dry" ] && continue
    echo "Configuring $name."
    unpack "$name" "$info/$name.list" "$1" 2>/dev/null
    needed=$(index_line "$name" | cut -d ' ' -f 4)
    [ ! -e /etc/stand-in/flash ] || [ "$(free_space)" -ge "$needed" ] || {
      truncate_files "$info/$name.list" "$(free_space)" "$needed"
      continue
    }
    run_postinst "$name" "$info/$name.list"
  done
}

command=$1
shift
case $command in
update)
  echo "Downloading http://feed/Packages.gz"
  if [ -e "$feed/down" ]; then
    echo "*** Failed to download the package list from http://feed/Packages.gz"
    collect "opkg_download: Failed to download http://feed/Packages.gz, wget returned 4."
    collect "opkg_download: Check your network settings and connectivity."
    printf 'Collected errors:\n%s' "$errors" >&2
    exit 1
  elif [ -e "$feed/unsigned" ]; then
    echo "Signature check failed."
    echo "Remove wrong Signature file."
  else
    cp "$feed/index" "$lists"
    echo "Updated list of available packages in $lists"
  fi
  ;;
install) for package in "$@"; do install_one "$package"; done ;;
remove)
  for package in "$@"; do
    [ -n "$(version_of "$package")" ] || {
      echo "No packages removed."
      continue
    }
    # shellcheck disable=SC2086 # one word per package
    others=$(users "$package" | tr '\n' ' ')
    [ -z "$others" ] || {
      collect "print_dependents_warning: Package $package is depended upon by packages:"
      for other in $others; do collect "print_dependents_warning: 	$other"; done
      continue
    }
    echo "Removing package $package from root..."
    [ -n "$dry" ] || remove_files "$package" "$info/$package.list"
    while [ -z "$dry" ] && [ -n "$auto" ] && left=$(orphans) && [ -n "$left" ]; do
      for gone in $left; do remove_files "$gone" "$info/$gone.list"; done
    done
  done
  ;;
status)
  for package in "$@"; do
    version=$(version_of "$package")
    [ -z "$version" ] || printf 'Package: %s\nVersion: %s\nStatus: install user installed\n\n' "$package" "$version"
  done
  ;;
list-installed) sed 's/ / - /' "$installed" | if [ -n "$1" ]; then grep "^$1 "; else cat; fi ;;
list) sed 's/^\([^ ]*\) \([^ ]*\) .*/\1 - \2/' "$lists" 2>/dev/null | if [ -n "$1" ]; then grep "^$1 "; else cat; fi ;;
*) exit 1 ;;
esac
finish
