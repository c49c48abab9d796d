# shellcheck shell=sh disable=SC2154 # lists is the manager's
# Shared by the stand-ins for opkg and apk: a feed, and the installed packages. It leaves out signatures, a choice of
# versions, conflicts, and files that two packages have.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# /etc/stand-in/feed: "index", lines "NAME VERSION KERNEL KILOBYTES NEEDS", KERNEL the version of the package kernel that it is
# for, NEEDS names with commas, a dash for nothing; "files/NAME", the files of the package; "down" makes it unreachable, and
# for opkg "unsigned" gives its lists a bad signature.
# /etc/stand-in/flash: free kilobytes, instead of those of the file system.
feed=/etc/stand-in/feed
installed=/etc/stand-in/installed # lines "NAME VERSION"
touch "$installed"

version_of() {
  sed -n "s/^$1 //p" "$installed"
}

# index_line NAME: its line in the list that was fetched last
index_line() {
  grep "^$1 " "$lists" 2>/dev/null
}

# has_file NAME: can the version in the lists be fetched? A feed keeps no older versions
has_file() {
  [ ! -e "$feed/down" ] && grep -qxF "$(index_line "$1")" "$feed/index"
}

free_space() {
  cat /etc/stand-in/flash 2>/dev/null || df -k /etc 2>/dev/null | awk 'END { print NR < 2 ? 1000000 : $(NF - 2) }'
}

# plan_for NAME...: the packages to install for these, dependencies first; unknown ones as "?NAME"
plan_for() {
  for name in "$@"; do
    [ -z "$(version_of "$name")" ] || continue
    line=$(index_line "$name")
    [ -n "$line" ] || {
      echo "?$name"
      continue
    }
    needs=${line##* }
    # shellcheck disable=SC2046 # one word per package
    [ "$needs" = - ] || (plan_for $(echo "$needs" | tr , ' '))
    echo "$name"
  done | awk '!seen[$0]++'
}

# unpack NAME LIST REQUESTED...: put its files in place and their names into LIST; REQUESTED are the names from the user
unpack() {
  (cd "$feed/files/$1" 2>/dev/null && find . -type f | sed 's/^\.//') >"$2"
  while read -r file; do
    mkdir -p "${file%/*}"
    cp -p "$feed/files/$1$file" "$file" # a flash that runs full leaves it truncated
  done <"$2"
  echo "$1 $(index_line "$1" | cut -d ' ' -f 2)" >>"$installed"
  _name=$1
  shift 2
  case " $* " in *" $_name "*) ;; *) echo "$_name" >>"$installed.auto" ;; esac
}

# orphans: the packages that were installed for others that are gone
orphans() {
  touch "$installed.auto"
  while read -r name; do
    [ -z "$(version_of "$name")" ] || [ -n "$(users "$name")" ] || echo "$name"
  done <"$installed.auto"
}

# run_postinst NAME LIST: as default_postinst does, with its commit of every package
run_postinst() {
  ! grep -q '^/etc/modules.d/' "$2" || kmodloader
  ! grep -q '^/etc/uci-defaults/' "$2" || uci commit
}

# remove_files NAME LIST
remove_files() {
  while read -r file; do rm -f "$file"; done <"$2"
  rm -f "$2"
  sed -i "/^$1 /d" "$installed"
}

# users NAME: installed packages that need it
users() {
  awk -v package="$1" 'NR == FNR { there[$1]; next } $1 in there && index("," $5 ",", "," package ",") { print $1 }' \
    "$installed" "$lists" 2>/dev/null
}
