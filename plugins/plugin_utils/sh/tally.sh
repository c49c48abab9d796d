# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a script prints that only reads goes through tally, so that nothing of it gets lost, or comes in, unseen.

# tally: passes an answer on. Puts behind each marker that ends a section how many lines it has and the sum of the numbers of
# its lines, each times the line's length with its end; behind the last one, how many sections there are. Carriage returns do
# not count, because a terminal adds some. Ends an answer of more than 8,000,000 bytes, with the name of the section. A
# section in which a tool hung (sh/hangs.sh) has the exit code 124, and says so in its last line.
tally() {
  # the nonce is secret, and other users can read arguments
  # shellcheck disable=SC2154 # the nonce stands before all fragments
  LC_ALL=C nonce=$nonce awk '
    BEGIN { mark = "@@" ENVIRON["nonce"] " "; width = length(mark) }
    function close_section(line) {
      if (hung != "") {
        said = hung " did not end in time"
        sum += ++lines * (length(said) + 1)
        print said
        sub(/ [0-9]+$/, " 124", line)
      }
      sections++
      printf "%s %d %.0f\n", line, lines, sum
      hung = ""
      open = 0
    }
    {
      size = length($0) + 1
      all += size
      if (all > 8000000) {
        print mark "long " name
        exit
      }
    }
    substr($0, 1, width) != mark {
      if (index($0, "\r")) size -= gsub(/\r/, "\r")
      sum += ++lines * size
      print
      next
    }
    {
      kind = substr($0, width + 1, 1)
      if (kind == "+") {
        name = substr($0, width + 3)
        lines = sum = 0
        hung = ""
        open = 1
        print
      } else if (kind == "-") close_section($0)
      else if (kind == "!") hung = substr($0, width + 3)
      else {
        if (kind == "c" && open) close_section(mark "- " name " 124")
        print mark "end " sections + 0
        exit
      }
    }
  '
}
