# shellcheck shell=sh disable=SC2154 # lists is the manager's
# What the stand-ins for opkg and apk share: a feed and what is installed. It leaves out signatures, versions to choose from,
# conflicts, and files that two packages have.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# /etc/stand-in/feed: "index", lines "NAME VERSION KERNEL KILOBYTES NEEDS", KERNEL the version of the package kernel that it is
# for, NEEDS names with commas, a dash for nothing; "files/NAME", what it brings; "down", when nobody can reach it.
# /etc/stand-in/flash: kilobytes that are free, where it is not the file system that tells.
feed=/etc/stand-in/feed
installed=/etc/stand-in/installed # lines "NAME VERSION"
touch "$installed"

version_of() {
  sed -n "s/^$1 //p" "$installed"
}

# index_line NAME: of the list that was fetched last
index_line() {
  grep "^$1 " "$lists" 2>/dev/null
}

# has_file NAME: can what the lists name be fetched? A feed keeps no older versions
has_file() {
  [ ! -e "$feed/down" ] && grep -qxF "$(index_line "$1")" "$feed/index"
}

free_space() {
  cat /etc/stand-in/flash 2>/dev/null || df -k /etc 2>/dev/null | awk 'END { print NR < 2 ? 1000000 : $(NF - 2) }'
}

# wanted NAME...: those that have to be installed for these, in order, what they need first; unknown ones as "?NAME"
wanted() {
  for name in "$@"; do
    [ -z "$(version_of "$name")" ] || continue
    line=$(index_line "$name")
    [ -n "$line" ] || {
      echo "?$name"
      continue
    }
    needs=${line##* }
    # shellcheck disable=SC2046 # one word a package
    [ "$needs" = - ] || (wanted $(echo "$needs" | tr , ' '))
    echo "$name"
  done | awk '!seen[$0]++'
}

# unpack NAME LIST ASKED...: its files in place, and their names in LIST; ASKED are the names that the user gave
unpack() {
  (cd "$feed/files/$1" 2>/dev/null && find . -type f | sed 's/^\.//') >"$2"
  while read -r file; do
    mkdir -p "${file%/*}"
    cp -p "$feed/files/$1$file" "$file" || return
  done <"$2"
  echo "$1 $(index_line "$1" | cut -d ' ' -f 2)" >>"$installed"
  _name=$1
  shift 2
  case " $* " in *" $_name "*) ;; *) echo "$_name" >>"$installed.auto" ;; esac
}

# orphans: what came for others that are away now
orphans() {
  touch "$installed.auto"
  while read -r name; do
    [ -z "$(version_of "$name")" ] || [ -n "$(users "$name")" ] || echo "$name"
  done <"$installed.auto"
}

# after NAME LIST: as default_postinst has it, the commit of everything too
after() {
  ! grep -q '^/etc/modules.d/' "$2" || kmodloader
  ! grep -q '^/etc/uci-defaults/' "$2" || uci commit
}

# away NAME LIST
away() {
  while read -r file; do rm -f "$file"; done <"$2"
  rm -f "$2"
  sed -i "/^$1 /d" "$installed"
}

# users NAME: installed packages that need it
users() {
  awk -v package="$1" 'NR == FNR { there[$1]; next } $1 in there && index("," $5 ",", "," package ",") { print $1 }' \
    "$installed" "$lists" 2>/dev/null
}
