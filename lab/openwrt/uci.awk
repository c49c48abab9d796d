# The part of the stand-in for uci (uci.sh) that reads and changes one package.
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Staged changes go to the file OUT/stage, those left after a revert to OUT/left, the committed package to OUT/new.
function fail(text) {
  if (!quiet) print app ": " text | "cat >&2"
  close("cat >&2")
  exit_code = 1
  exit 1
}
function parse_error(text) {
  if (strict) fail("Parse error (" text ") at line " line_number ", byte 0")
  skip_line = 1
}
# reads the next word of line into token, with quotes as in a shell; returns 0 at the end of line
function word(   c, quote, found, text) {
  sub(/^[ \t\r\n]+/, "", line)
  text = ""
  found = 0
  while (line != "") {
    c = substr(line, 1, 1)
    if (c == "\047" || c == "\"") {
      found = 1
      quote = c
      line = substr(line, 2)
      while ((c = substr(line, 1, 1)) != quote) {
        if (line == "") {
          if ((getline line < reading) <= 0) { parse_error("EOF with unterminated " quote); token = text; return 1 }
          line_number++
          text = text "\n"
          continue
        }
        if (quote == "\"" && c == "\\") { line = substr(line, 2); c = substr(line, 1, 1) }
        text = text c
        line = substr(line, 2)
      }
      line = substr(line, 2)
      continue
    }
    if (c == "#") { line = ""; break }
    if (c == " " || c == "\t" || c == "\r" || c == "\n") break
    if (c == "\\") {
      line = substr(line, 2)
      if (line == "" && (getline line < reading) > 0) { line_number++; continue }
      c = substr(line, 1, 1)
    }
    found = 1
    text = text c
    line = substr(line, 2)
  }
  token = text
  return found
}
function valid(text, what) {
  if (what == "package") return text ~ /^[A-Za-z0-9_-]+$/
  if (what == "name") return text ~ /^[A-Za-z0-9_]+$/
  return text ~ /^[!-~]+$/
}
function hash(text,   i, h) {
  h = 5381
  for (i = 1; i <= length(text); i++) h = (h * 33 + index(ascii, substr(text, i, 1)) + 31) % 65536
  return h
}
function new_section(kind, id,   s) {
  s = ++slots
  made++
  order[++sections] = s
  kind_of[s] = kind
  unnamed[s] = id == ""
  id_of[s] = id != "" ? id : sprintf("cfg%02x%04x", made, hash(kind))
  options[s] = 0
  return s
}
function section_of(id,   i) {
  for (i = 1; i <= sections; i++) if (id_of[order[i]] == id) return order[i]
  return 0
}
function option_of(s, name,   i) {
  for (i = 1; i <= options[s]; i++) if (option[s, i] == name) return i
  return 0
}
function set_option(s, name, value,   i) {
  i = option_of(s, name)
  if (!i) { i = ++options[s]; option[s, i] = name }
  count[s, name] = 0
  value_of[s, name] = value
}
function add_item(s, name, value,   i) {
  i = option_of(s, name)
  if (!i) { i = ++options[s]; option[s, i] = name; count[s, name] = 0 }
  else if (!count[s, name]) item[s, name, ++count[s, name]] = value_of[s, name]
  item[s, name, ++count[s, name]] = value
}
function del_item(s, name, value,   i, j) {
  if (!option_of(s, name) || !count[s, name]) return 0
  j = 0
  for (i = 1; i <= count[s, name]; i++) if (item[s, name, i] != value) item[s, name, ++j] = item[s, name, i]
  count[s, name] = j
  if (!j) emptied[s, name] = 1
  return 1
}
function del_option(s, name,   i) {
  for (i = option_of(s, name); i < options[s]; i++) option[s, i] = option[s, i + 1]
  options[s]--
}
function del_section(s,   i) {
  for (i = 1; order[i] != s; i++) continue
  for (; i < sections; i++) order[i] = order[i + 1]
  sections--
}
function load_config(   command, kind, s, name) {
  reading = conf "/" package
  if (system("[ -f \"" reading "\" ]")) fail("Entry not found")
  line_number = 0
  s = 0
  while ((getline line < reading) > 0) {
    line_number++
    skip_line = 0
    sub(/^[ \t]+/, "", line)
    match(line, /^[^ \t]*/)
    command = substr(line, 1, RLENGTH)
    if (command == "" || command ~ /^#/) continue
    if (RLENGTH == length(line)) { parse_error("invalid command"); continue }
    line = substr(line, RLENGTH + 1)
    if (command == "package" || command == "p") continue
    if (command == "config" || command == "c") {
      if (!word()) { parse_error("insufficient arguments"); continue }
      kind = token
      if (!valid(kind, "type")) { parse_error("invalid character in type field"); continue }
      name = word() ? token : ""
      if (name != "" && !valid(name, "name")) { parse_error("invalid character in name field"); continue }
      if (word() && strict) parse_error("too many arguments")
      s = name == "" ? 0 : section_of(name)
      if (s && kind_of[s] != kind) parse_error("section of different type overwrites prior section with same name")
      if (s) kind_of[s] = kind
      else s = new_section(kind, name)
    } else if (command ~ /^(option|o|list|l)$/) {
      if (!s) { parse_error("option/list command found before the first section"); continue }
      if (!word()) { parse_error("insufficient arguments"); continue }
      name = token
      if (!valid(name, "name")) { parse_error("invalid character in name field"); continue }
      token = ""
      word()
      kind = token
      if (word() && strict) parse_error("too many arguments")
      if (command ~ /^l/) add_item(s, name, kind)
      else if (kind != "") set_option(s, name, kind)
    } else parse_error("invalid command")
  }
  close(reading)
}
# splits "package.section.option=value" into at_section, at_option, at_value, has_value
function split_tuple(text,   parts, n, equals) {
  equals = index(text, "=")
  has_value = equals > 0
  at_value = has_value ? substr(text, equals + 1) : ""
  if (has_value) text = substr(text, 1, equals - 1)
  n = split(text, parts, ".")
  at_section = n > 1 ? parts[2] : ""
  at_option = n > 2 ? parts[3] : ""
  levels = n
  return n <= 3 && valid(parts[1], "package") && (at_option == "" || valid(at_option, "name"))
}
# applies one staged line: sign, at_section, at_option, at_value
function apply(sign,   s) {
  s = section_of(at_section)
  if (sign == "+" || (sign == "" && at_option == "")) {
    if (!valid(at_value, "type")) return
    if (sign == "+" || !s) {
      if (s) return
      s = new_section(at_value, at_section)
      if (sign == "+") unnamed[s] = 1
    } else kind_of[s] = at_value
    return
  }
  if (!s) return
  if (sign == "") { if (at_value == "") del_option(s, at_option); else set_option(s, at_option, at_value) }
  else if (sign == "|") add_item(s, at_option, at_value)
  else if (sign == "~") del_item(s, at_option, at_value)
  else if (sign == "-" && at_option == "") del_section(s)
  else if (sign == "-" && option_of(s, at_option)) del_option(s, at_option)
}
function load_deltas(   n, i, dirs, sign) {
  n = split(paths " " save, dirs, " ")
  for (i = 1; i <= n; i++) {
    reading = dirs[i] "/" package
    while ((getline line < reading) > 0) {
      if (line == "" || !word()) continue
      sign = ""
      if (token ~ /^[-+|~]/) { sign = substr(token, 1, 1); token = substr(token, 2) }
      if (!split_tuple(token) || at_section == "") continue
      staged++
      staged_sign[staged] = sign
      staged_section[staged] = at_section
      staged_option[staged] = at_option
      staged_value[staged] = at_value
      staged_last[staged] = i == n
      apply(sign)
    }
    close(reading)
  }
}
function quoted(text) {
  gsub(/\047/, "\047\\\047\047", text)
  return "\047" text "\047"
}
function shown(s, name, quote,   i, text) {
  if (!count[s, name]) return (s, name) in emptied ? "" : quote ? quoted(value_of[s, name]) : value_of[s, name]
  text = ""
  for (i = 1; i <= count[s, name]; i++)
    text = text (i > 1 ? " " : "") (quote || item[s, name, i] ~ /[ \t\r\n]/ ? quoted(item[s, name, i]) : item[s, name, i])
  return text
}
function show_section(s, shown_as,   i) {
  print package "." shown_as "=" kind_of[s]
  for (i = 1; i <= options[s]; i++) print package "." shown_as "." option[s, i] "=" shown(s, option[s, i], 1)
}
function show_package(   i, s, seen) {
  for (i = 1; i <= sections; i++) {
    s = order[i]
    show_section(s, unnamed[s] && extended ? "@" kind_of[s] "[" (seen[kind_of[s]] + 0) "]" : id_of[s])
    seen[kind_of[s]]++
  }
}
function export_to(file, named,   i, j, k, s, name) {
  for (i = 1; i <= sections; i++) {
    s = order[i]
    print "\nconfig " kind_of[s] (unnamed[s] && !named ? "" : " \047" id_of[s] "\047") > file
    for (j = 1; j <= options[s]; j++) {
      name = option[s, j]
      if ((s, name) in emptied && !count[s, name]) continue
      if (!count[s, name]) print "\toption " name " " quoted(value_of[s, name]) > file
      for (k = 1; k <= count[s, name]; k++) print "\tlist " name " " quoted(item[s, name, k]) > file
    }
  }
  print "" > file
}
function stage(sign, id, name, value, bare) {
  print sign package "." id (name == "" ? "" : "." name) (bare ? "" : "=" quoted(value)) >> (out "/stage")
}
# the section of at_section, also of @type[n], whose id it puts into at_section; 0 when there is none
function look_up(   kind, n, i, found) {
  if (at_section !~ /^@/) return section_of(at_section)
  if (at_section !~ /^@[^][]*\[-?[0-9]+\]$/) fail("Invalid argument")
  kind = at_section
  sub(/^@/, "", kind)
  sub(/\[.*/, "", kind)
  n = at_section
  sub(/^.*\[/, "", n)
  n += 0
  found = 0
  for (i = 1; i <= sections; i++) if (kind == "" || kind_of[order[i]] == kind) found++
  if (n < 0) n += found
  found = 0
  for (i = 1; i <= sections; i++)
    if ((kind == "" || kind_of[order[i]] == kind) && found++ == n) { at_section = id_of[order[i]]; return order[i] }
  return 0
}
BEGIN {
  for (i = 32; i < 127; i++) ascii = ascii sprintf("%c", i)
  action = ENVIRON["UCI_ACTION"]
  tuple = ENVIRON["UCI_TUPLE"]
  if (!split_tuple(tuple)) fail("Parse error")
  package = tuple
  sub(/[.=].*/, "", package)
  load_config()
  load_deltas()
  if (action == "add") {
    s = new_section(ENVIRON["UCI_TYPE"], "")
    stage("+", id_of[s], "", kind_of[s])
    print id_of[s]
    exit
  }
  split_tuple(tuple)
  if (action == "changes") {
    for (i = 1; i <= staged; i++)
      print (staged_sign[i] == "-" ? "-" : "") package "." staged_section[i] \
        (staged_option[i] == "" ? "" : "." staged_option[i]) \
        (staged_sign[i] == "-" ? "" : (staged_sign[i] == "|" ? "+=" : staged_sign[i] == "~" ? "-=" : "=") quoted(staged_value[i]))
    exit
  }
  if (action == "export") { print "package " package; export_to("/dev/stdout", named); exit }
  if (action == "commit") {
    if (staged) { export_to(out "/new", 0); print "" > (out "/written") }
    exit
  }
  s = at_section == "" ? 0 : look_up()
  o = s && at_option != "" ? option_of(s, at_option) : 0
  complete = levels == 1 || (s && (at_option == "" || o))
  if (action == "show") {
    if (!complete) fail("Entry not found")
    if (levels == 1) show_package()
    else if (at_option == "") show_section(s, at_section)
    else print package "." at_section "." at_option "=" shown(s, at_option, 1)
  } else if (action == "get") {
    if (has_value) exit (exit_code = 1)
    if (!complete) fail("Entry not found")
    if (at_option != "") print shown(s, at_option, 0)
    else if (at_section != "") print kind_of[s]
  } else if (action == "set") {
    if (!has_value || at_section == "" || (!s && (at_option != "" || at_section ~ /^@/))) fail("Invalid argument")
    if (at_value == "") {
      if (!complete) exit
      stage("-", at_section, at_option, "", 1)
    } else if (o && !count[s, at_option] && value_of[s, at_option] == at_value) exit
    else if (s && at_option == "" && kind_of[s] == at_value) exit
    else if (at_option == "" && !valid(at_value, "type")) fail("Invalid argument")
    else stage("", at_section, at_option, at_value)
  } else if (action == "add_list") {
    if (!has_value || !s || at_option == "") fail("Invalid argument")
    stage("|", at_section, at_option, at_value)
  } else if (action == "del_list") {
    if (!has_value || !s) fail("Invalid argument")
    if (o && count[s, at_option]) stage("~", at_section, at_option, at_value)
  } else if (action == "delete") {
    if (!complete) fail("Entry not found")
    if (levels == 1) fail("Invalid argument")
    stage("-", at_section, at_option, "", 1)
  } else if (action == "revert") {
    if (has_value) exit (exit_code = 1)
    printf "" > (out "/left")
    for (i = 1; i <= staged; i++) {
      if (!staged_last[i]) continue
      if (at_section == "" || (staged_section[i] == at_section && (at_option == "" || staged_option[i] == at_option))) continue
      print staged_sign[i] package "." staged_section[i] (staged_option[i] == "" ? "" : "." staged_option[i]) \
        (staged_sign[i] == "-" ? "" : "=" quoted(staged_value[i])) > (out "/left")
    }
  }
}
END { exit exit_code }
