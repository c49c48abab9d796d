# Copyright: (c) 2026, the kmod.nft_offload authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell text that breaks a router at a chosen moment of a change. It all runs on the router, which may be locked up."""

from __future__ import annotations

# Conditions for ``when`` and ``after``, with nothing but a shell's own commands, so that no broken tool breaks them.
# A shell reads the words of a command line without what is between them. A small router may have no pgrep.
STAGES = r"""
if [ -d /run ]; then home=/run/nft-offload; else home=/var/run/nft-offload; fi
look() { for pending in $home/pending/*; do :; done; }
look
event() {
  look
  [ -e $pending/events ] || return
  while read -r _id word _rest; do case $word in "$1") return 0 ;; esac; done <$pending/events
  return 1
}
locked() { look && [ -d $pending ]; }
guarded() { event guard; }
loaded() { event loaded; }
confirmed() { event confirmed; }
undoing() { event undo; }
over() { look && [ -e /root/begun ] && [ ! -d $pending ]; }
by() {
  caller=
  read -r caller </proc/$PPID/cmdline
  case $caller in *"$1"*) return 0 ;; esac
  return 1
}
first() { [ ! -e /root/reached ] && : >/root/reached; }
at_most() {
  so_far=0
  [ ! -e /root/times ] || read -r so_far </root/times
  echo $((so_far + 1)) >/root/times
  [ $so_far -lt "$1" ]
}
first_since_boot() { [ ! -e ${home%/*}/reached ] && : >${home%/*}/reached; }
nth_since_boot() {
  so_far=0
  [ ! -e ${home%/*}/times ] || read -r so_far <${home%/*}/times
  echo $((so_far + 1)) >${home%/*}/times
  [ $((so_far + 1)) = "$1" ]
}
for_seconds() {
  read -r up _idle </proc/uptime
  [ -e /root/since ] || echo "${up%%.*}" >/root/since
  read -r since </root/since
  [ "${up%%.*}" -lt $((since + $1)) ]
}
matching() {
  for one in /proc/[0-9]*; do
    line=
    { read -r line <"$one/cmdline"; } 2>/dev/null
    for pattern in "$@"; do
      case $line in $pattern) echo "${one#/proc/}" ;; esac
    done
  done
}
child() {
  for one in /proc/[0-9]*; do
    { read -r pid name _state parent _rest <"$one/stat"; } 2>/dev/null && [ "$parent $name" = "$1 ($2)" ] && echo "$pid"
  done
}
watchers() { matching '*guardwatch*'; }
guards() { matching '*guardwatch*' '*guardsupervise*'; }
acting() {
  look
  while read -r _id word pid _rest; do
    [ "$word" != guard ] || [ ! -d "/proc/$pid" ] || { echo "$pid"; return; }
  done <$pending/events
}
"""
PREPARE = f"""cat >/root/stages <<'EOT'
{STAGES}
EOT
"""


ACTED = ": >/root/acted"
AT_BOOT = ": >${home%/*}/at-boot"
"""what shows that a stand-in has acted: at all, and since the last boot"""


def stand_in(tool: str, when: str, act: str = "exit 1") -> str:
    """sh that puts a stand-in in the place of a tool: where ``when`` holds it runs ``act``, and then the tool itself.

    The tool is $real in both.
    """
    return f"""place=$(command -v {tool})
real=$(readlink -f "$place")
case $real in
*/busybox) real="$real {tool}" ;;
"$place")
  while [ -e "$real" ]; do real=$real.real; done
  ln "$place" "$real"
  ;;
esac
{{
  echo '#!/bin/sh'
  echo "real='$real'"
  cat <<'EOT'
# some services cannot read /root, and are not meant
[ -r /root/stages ] || exec $real "$@"
. /root/stages
if {when}; then
  {ACTED}
  {act}
fi
exec $real "$@"
EOT
}} >"$place.stand-in"
chmod 755 "$place.stand-in"
# in one step: this needs the tool itself
mv -f "$place.stand-in" "$place"
"""


def restore_tool(tool: str) -> str:
    """sh that puts the tool back, by means of no other one that may be broken."""
    return f"""place=$(command -v {tool})
while IFS= read -r line; do
  case $line in "real='"*) real=${{line#*=?}} real=${{real%?}} && break ;; esac
done <"$place"
case $real in
*/busybox*) ln -sf "${{real% *}}" "$place" ;;
*.real) mv -f "$real" "$place" 2>/dev/null || "$real" -f "$real" "$place" ;;
*) ln -sf "$real" "$place" ;;
esac
"""


def when_reached(after: str, act: str, name: str = "saboteur") -> str:
    """sh that leaves a process behind, which runs ``act`` as soon as ``after`` holds."""
    return f"""cat >/root/{name} <<'EOT'
. /root/stages
rounds=0
until {after}; do
  rounds=$((rounds + 1))
  [ $rounds -lt 1500 ] || exit
  sleep 0.1
done
{act}
EOT
if command -v setsid >/dev/null; then
  setsid sh /root/{name} </dev/null >/root/{name}.log 2>&1 &
else
  (trap '' HUP; sh /root/{name} </dev/null >/root/{name}.log 2>&1 &)
fi
"""


def fill(directory: str) -> str:
    """sh that leaves no room in a file system that is in memory."""
    return (
        f"dd if=/dev/zero of={directory}/ballast bs=65536; dd if=/dev/zero bs=512 >>{directory}/ballast; "
        f"df {directory} | grep -q 100%"
    )


def read_only(directory: str) -> str:
    """sh that makes it read-only, whatever is open there for writing; a mount is refused while another one is made."""
    bind = f"mount --bind {directory} {directory} && mount -o remount,ro,bind {directory}"
    once = f"{{ mount -o remount,ro {directory} || {{ {bind}; }}; }}"
    probe = f"! (: >{directory}/probe) 2>/dev/null"
    return f"for _try in 1 2 3 4 5 6 7 8 9 10; do {once} && break; sleep 0.1; done; {probe}"


def small(directory: str) -> str:
    """sh that lays a full file system over it, with all that it holds."""
    return f"""mkdir -p {directory} /root/kept
cp -a {directory}/. /root/kept
mount -t tmpfs -o size=64k,mode=755 tmpfs {directory}
cp -a /root/kept/. {directory}
dd if=/dev/zero of={directory}/ballast bs=512
true"""


CUT = "lab-cut"
CUT_NOW = f"echo {CUT} >/dev/console; sleep 3"
"""the power is cut when this is on the console for the first time; in the boots after it, it is only a pause"""
