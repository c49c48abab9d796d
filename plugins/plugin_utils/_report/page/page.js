// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";

const routers = JSON.parse(document.getElementById("data").textContent);
const rows = [...document.querySelectorAll("#routers tbody tr")];
const names = new Map(rows.map((row) => [row, row.cells[0].textContent]));
const dialog = document.getElementById("router");
const SVG = "http://www.w3.org/2000/svg";

/** An element; attributes that are undefined are left out, and children that are text stay text. */
function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function drawn(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// --- the filter

/** What a router can be chosen by -> its values. */
const CHOICES = {
  state: (router) => [router.state],
  verdict: (router) => [router.stands],
  finding: (router) => router.findings.map((finding) => finding.id),
  group: (router) => router.groups,
  kernel: (router) => (router.kernel ? [router.kernel] : []),
  driver: (router) => Object.values(router.drivers),
  change: (router) => (router.change ? [router.change.kind] : []),
};
const searched = new Map(
  Object.entries(routers).map(([name, router]) => [
    name,
    [name, ...router.findings.map((finding) => finding.message), ...Object.keys(router.drivers)]
      .concat(Object.values(CHOICES).flatMap((list) => list(router)))
      .join("\n")
      .toLowerCase(),
  ]),
);

function buildControls() {
  const form = document.getElementById("controls");
  form.append(element("label", {}, "search", element("input", { type: "search", name: "search" })));
  for (const [choice, list] of Object.entries(CHOICES)) {
    const values = [...new Set(Object.values(routers).flatMap(list))].sort();
    if (values.length < 2 && choice !== "change") continue;
    if (!values.length) continue;
    const options = values.map((value) => element("option", { value }, value));
    form.append(element("label", {}, choice, element("select", { name: choice }, element("option", { value: "" }, "any"), ...options)));
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
}

function filter() {
  const form = new FormData(document.getElementById("controls"));
  const words = form.get("search").toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = Object.entries(CHOICES).filter(([choice]) => form.get(choice));
  let shown = 0;
  for (const row of rows) {
    const name = names.get(row);
    const fits =
      words.every((word) => searched.get(name).includes(word)) &&
      chosen.every(([choice, list]) => list(routers[name]).includes(form.get(choice)));
    row.hidden = !fits;
    shown += fits;
  }
  tellShown(shown);
}

function tellShown(shown) {
  document.getElementById("shown").textContent =
    shown === rows.length ? `${rows.length} routers` : `${shown} of ${rows.length} routers`;
}

// --- the order

function buildOrder() {
  for (const head of document.querySelectorAll("#routers thead th")) {
    const button = element("button", { type: "button" }, ...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.replaceChildren(button);
  }
}

function sort(head) {
  const descending = head.getAttribute("aria-sort") === "ascending";
  const column = head.cellIndex;
  const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
  const order = new Intl.Collator("en", { numeric: true }).compare;
  const keyed = rows.map((row) => [key(row), row]);
  const numbers = keyed.every(([value]) => value !== "" && !Number.isNaN(Number(value)));
  keyed.sort(([one], [other]) => (numbers ? one - other : order(one, other)) * (descending ? -1 : 1));
  document.querySelector("#routers tbody").append(...keyed.map(([, row]) => row));
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

// --- a router's page

function buildLinks() {
  for (const row of rows) {
    const cell = row.cells[0];
    cell.replaceChildren(element("a", { href: `#${encodeURIComponent(names.get(row))}` }, names.get(row)));
  }
}

function showRouter() {
  const name = readName(location.hash.slice(1));
  if (!Object.hasOwn(routers, name)) {
    dialog.close();
    return;
  }
  const close = element("form", { method: "dialog" }, element("button", {}, "close"));
  dialog.replaceChildren(close, element("h2", { id: "router-name" }, name), ...page(routers[name]));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function readName(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function page(router) {
  const parts = [paragraph([router.state, router.groups.join(", "), router.kernel, router.firewall])];
  if (router.change) parts.push(paragraph([changeOf(router.change)]));
  if (router.findings.length) parts.push(section("What was found", ...router.findings.map(findingOf)));
  if (router.expected) parts.push(section("Desired and actual", desired(router)));
  if (router.cost) parts.push(section("Cost of forwarding", ...cost(router)));
  if (router.traffic || router.flows) parts.push(section("Traffic", ...traffic(router)));
  if (router.rungs.length) parts.push(section("Rungs", element("ul", { class: "rungs" }, ...router.rungs.map(rungOf))));
  return parts;
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function paragraph(texts) {
  return element("p", {}, texts.filter(Boolean).join(" · "));
}

function findingOf(finding) {
  return element(
    "div",
    { class: "text" },
    element("b", { class: finding.severity }, `${finding.severity} ${finding.id}`),
    element("p", {}, finding.message),
    element("p", {}, `Remedy: ${finding.remedy}`),
  );
}

function rungOf(rung) {
  const status = element("span", { class: `status ${rung.status}` }, `${rung.number} ${rung.name}: ${rung.status.replace("_", " ")}`);
  const lines = rung.evidence.length ? rung.evidence : rung.findings;
  return element("li", {}, status, element("ul", {}, ...lines.map((line) => element("li", {}, line))));
}

function changeOf({ kind, verdict, state }) {
  return state ? `${kind} than in the earlier report (${state}, ${verdict})` : "not in the earlier report";
}

function desired(router) {
  const { expect, require, devices } = router.expected;
  const { hardware, software } = router.offload;
  const listed = [["hardware", hardware], ["software", software]].filter(([, names]) => names.length);
  const status = (router.rungs.find((rung) => rung.name === require)?.status ?? "none").replace("_", " ");
  const lines = [["flowtables", expect, listed.map(([kind, names]) => `${kind}: ${names.join(", ")}`).join("; ") || "none"]];
  if (expect !== "disabled") {
    lines.push(["rung", require, status], ["devices", devices.join(", ") || "any", [...hardware, ...software].join(", ") || "none"]);
  }
  lines.push(["drivers", "", Object.entries(router.drivers).map(([device, driver]) => `${device} ${driver}`).join(", ")]);
  return table(["", "desired", "actual"], lines);
}

/** Each line begins with its heading. */
function table(titles, lines) {
  const head = titles.map((text) => (text ? element("th", { scope: "col" }, text) : element("td")));
  return element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...lines.map(([name, ...cells]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", {}, cell))))),
  );
}

/** What forwarding took of the processor, and what it came to on each path. */
function cost(router) {
  const { softirq, softirq_error: error, nanoseconds, unproven, dropped, slow, software, hardware } = router.cost;
  const share = softirq === null ? "" : `${softirq} % of a core in software interrupts, give or take ${error}`;
  const each = nanoseconds === null ? "" : `${nanoseconds} ns a packet`;
  const rate = (name, { bits, packets }) => [name, bits === null ? "not counted" : `${(bits / 1e6).toFixed(1)} Mbit/s`, packets === null ? "" : `${packets}/s`];
  const rows = [rate("slow path", slow), rate("flowtable, in software", software), rate("hardware, at least", hardware)];
  const parts = [paragraph([router.cost_compared]), paragraph([share, each, dropped ? `${dropped} packets dropped` : "", unproven])];
  return [...parts.filter((part) => part.textContent), table(["path", "bits", "packets"], rows)];
}

function traffic(router) {
  const parts = [];
  if (router.flows) {
    const { hardware, software, slow } = router.flows;
    parts.push(paragraph([`flows of the sample: ${hardware} in hardware`, `${software} in software`, `${slow} slow`]));
  }
  if (!router.traffic) return parts;
  const { seconds, slow_share: share, bypassed, directions } = router.traffic;
  const slow = share === null ? "too little was seen to tell how much was slow" : `${share} % of what could be offloaded was slow`;
  parts.push(paragraph([`over ${seconds} s`, slow, `flowtables took ${bypassed} packets`]));
  if (directions.length) parts.push(drawing(directions));
  return parts;
}

/** What takes packets from one device to another, as flowtables list these. */
const THROUGH = { hardware: "hardware flowtable", software: "flowtable, in software", none: "not in one flowtable" };

/** One line a direction: where it comes in, the flowtable that lists both ends, where it goes out. */
function drawing(directions) {
  const height = 46;
  const texts = directions.map(({ family, enters, leaves, listed, slow }) => `${family} ${enters} to ${leaves}: ${THROUGH[listed]}, ${slow} slow packets`);
  const picture = drawn("svg", {
    class: "flow",
    role: "img",
    viewBox: `0 0 700 ${height * directions.length}`,
    "aria-label": texts.join("; "),
  });
  for (const [index, { family, enters, leaves, listed, slow }] of directions.entries()) {
    const middle = height * index + height / 2;
    picture.append(
      drawn(
        "g",
        { class: listed },
        ...box(60, middle, 110, enters),
        ...box(270, middle, 190, THROUGH[listed]),
        ...box(640, middle, 110, leaves),
        ...arrow(115, 175, middle),
        ...arrow(365, 585, middle),
        drawn("text", { x: 475, y: middle - 12 }, `${family}, ${slow} slow packets`),
      ),
    );
  }
  return picture;
}

function box(x, y, width, text) {
  return [
    drawn("rect", { class: "box", x: x - width / 2, y: y - 16, width, height: 32, rx: 4 }),
    drawn("text", { x, y }, text.length * 7 > width ? `${text.slice(0, Math.floor(width / 7) - 1)}…` : text),
  ];
}

function arrow(from, to, y) {
  return [drawn("path", { d: `M${from} ${y}H${to - 8}` }), drawn("path", { class: "head", d: `M${to - 8} ${y - 4}L${to} ${y}L${to - 8} ${y + 4}Z` })];
}

dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
addEventListener("hashchange", showRouter);
buildControls();
buildOrder();
buildLinks();
tellShown(rows.length);
showRouter();
