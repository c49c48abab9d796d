# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the processor did while traffic was watched: the kernel's counters before and after, less each other.

# remember_processor: before the traffic is watched
remember_processor() {
  _processor=$(_processor_counters)
}

# read_processor: after it
read_processor() {
  section processor _processor_since
}

_processor_counters() {
  cat /proc/uptime /proc/stat /proc/net/softnet_stat 2>/dev/null
}

# Prints seconds SECONDS; core NUMBER TICKS BUSY SOFTIRQ of each that was there all the time; before and after PACKETS
# DROPPED SQUEEZED NUMBER of each, in hexadecimal, NUMBER from Linux 5.10 on; threaded NAME of devices whose packets a
# thread takes.
_processor_since() {
  _now=$(_processor_counters)
  printf '%s\n--\n%s\n' "$_processor" "$_now" | awk '
    $0 == "--" { part = 1; nth = 0; next }
    nth == 0 { nth = 1; up[part + 0] = $1; next }
    /^cpu[0-9]/ {
      all = 0
      for (i = 2; i <= 9; i++) all += $i
      idle = $5 + $6
      if (!part) { ticks[$1] = all; busy[$1] = all - idle; soft[$1] = $8 }
      else if ($1 in ticks) printf "core %s %.0f %.0f %.0f\n", substr($1, 4), all - ticks[$1], all - idle - busy[$1], $8 - soft[$1]
      next
    }
    /^[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ / { print (part ? "after" : "before"), $1, $2, $3, $13 }
    END { printf "seconds %.2f\n", up[1] - up[0] }
  '
  grep -lx 1 /sys/class/net/*/threaded 2>/dev/null | sed -n 's,^/sys/class/net/\(.*\)/threaded$,threaded \1,p'
}
