# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# A script that only reads ends in bounded time, whichever tool hangs: one process watches over all that it starts. Stock
# OpenWrt has no timeout, and a watcher for each of some hundred calls would cost more than the calls. What hung is marked
# with a line @@NONCE ! TOOL, of which sh/tally.sh makes the exit code 124 of the section.
# The answer goes through descriptor 6; what the watcher has to tell comes in at 7.

# watch_tools: looks every 10 seconds. A tool that it sees for the third time (a package manager: for the twelfth) is ended
# with all that it started. One that cannot be ended, as in the kernel, ends the answer.
watch_tools() {
  # the fields that stand for this process and the one that started it, and with it the script
  read -r _watcher _name _state _script _rest </proc/self/stat
  echo "$_watcher"
  _seen=
  trap 'kill "$_pause" 2>/dev/null; exit 0' TERM
  while :; do
    sleep 10 >/dev/null 2>&1 6>&- &
    _pause=$!
    wait "$_pause"
    kill -0 "$_script" 2>/dev/null || exit 0
    _looked=$({
      printf '%s\n' "$_seen"
      echo --
      cat /proc/[0-9]*/stat
    } 2>/dev/null | _find_hung "$_script" "$_watcher")
    _seen=$(printf '%s\n' "$_looked" | sed -n 's/^seen //p')
    printf '%s\n' "$_looked" | sed -n 's/^hung //p' | while read -r _shell _tool _pids; do
      mark_hung "$_tool"
      echo "$_tool"
      kill -USR1 "$_shell"
      # shellcheck disable=SC2086 # numbers
      kill -9 $_pids
    done 2>/dev/null
    _reader=$(printf '%s\n' "$_looked" | sed -n 's/^stuck //p')
    [ -z "$_reader" ] || {
      kill -9 "$_reader"
      # some awk reads on until its buffer is full, and the tool keeps the pipe open
      # shellcheck disable=SC2154 # the nonce stands before all fragments
      printf '\n@@%s cut\n%16384s\n' "$nonce" "" >&6
      exit 0
    }
  done
}

# mark_hung TOOL
mark_hung() {
  printf '\n@@%s ! %s\n' "$nonce" "$1" >&6
}

# begin_reading: what watch_tools prints is standard input
begin_reading() {
  exec 7<&0 </dev/null
  read -r _watcher <&7
  _hung=
  trap 'read -r _hung <&7 && refuse_tool "$_hung"' USR1
}

end_reading() {
  trap '' USR1
  kill "$_watcher" 2>/dev/null
}

# refuse_tool NAME: it is not called again
refuse_tool() {
  case $1 in '' | *[!A-Za-z0-9_]*) return ;; esac
  eval "$1() { mark_hung $1; return 124; }"
}

# _find_hung SCRIPT WATCHER: reads what was seen before, and below -- lines of /proc/PID/stat; prints
#   seen PID START TIMES         of each process that is no shell or filter of the script's own
#   hung READER TOOL PID...      of one that was seen too often, and all below it; READER is the shell that called it
#   stuck READER                 where that did not end it
_find_hung() {
  awk -v script="$1" -v watcher="$2" '
    $0 == "--" { below = 1; next }
    !below { if (NF == 3) times[$1 " " $2] = $3; next }
    {
      pid = $1
      rest = $0
      sub(/^.*\) /, "", rest)
      n = split(rest, field, " ")
      if (n < 20 || field[1] == "Z") next
      name = $0
      sub(/^[0-9]+ \(/, "", name)
      sub(/\) [A-Za-z] -?[0-9].*$/, "", name)
      parent[pid] = field[2]
      start[pid] = field[20]
      tool[pid] = name
    }
    function is_own(name) {
      return name ~ /^(sh|ash|dash|bash|busybox|awk|mawk|gawk|sed|grep|head|tail|sort|uniq|cut|tr|sleep)$/
    }
    # the child of the script that a process is below, 0 for none
    function reader_of(pid, steps) {
      for (steps = 0; pid in parent && steps < 64; steps++) {
        if (parent[pid] == script) return pid == watcher ? 0 : pid
        pid = parent[pid]
      }
      return 0
    }
    function is_below(pid, top, steps) {
      for (steps = 0; pid in parent && steps < 64; steps++) {
        if (pid == top) return 1
        pid = parent[pid]
      }
      return 0
    }
    END {
      for (pid in parent) {
        if (is_own(tool[pid]) || !(reader = reader_of(pid))) continue
        n = times[pid " " start[pid]] + 1
        print "seen", pid, start[pid], n
        limit = tool[pid] ~ /^(opkg|apk|apt|dpkg|dnf|rpm|zypper|pacman)/ ? 12 : 3
        # of a tool that another one started, that one is named
        above = parent[pid]
        while (above in parent && above != reader && is_own(tool[above])) above = parent[above]
        if (n < limit || (above in parent && above != reader && times[above " " start[above]] + 1 >= limit)) continue
        if (n >= limit + 2) { stuck = reader; continue }
        name = tool[pid]
        gsub(/[^A-Za-z0-9_.+-]/, "_", name)
        line = "hung " reader " " name
        for (other in parent) if (is_below(other, pid)) line = line " " other
        print line
      }
      if (stuck) print "stuck", stuck
    }
  '
}
