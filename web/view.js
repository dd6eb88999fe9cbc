// The live view: what the stream says is kept here, and drawn when something of it has changed. Nothing is ever sent.
"use strict";

const STATES = {
  serving: ["serving", " "],
  starting: ["new agent starting", "▸"],
  old: ["still on the old agent", "·"],
  failing: ["new agent failing", "!"],
  uncovered: ["no agent serves", "○"],
  down: ["node not ready", "–"],
  none: ["no agent", " "],
};
const FEW = 120; // nodes that are shown with their names
const ROWS = 40; // of the timeline
const byId = (id) => document.getElementById(id);

const view = { cni: null, planes: [], pods: null, events: [], next: null, nodes: new Map(), order: [] };
const chosen = { states: new Set(), find: "", node: "" };
const buttons = new Map(); // name of a node -> its button

function text(tag, content, className) {
  const e = document.createElement(tag);
  e.textContent = content;
  if (className) e.className = className;
  return e;
}

function put(id, content) {
  const e = byId(id);
  if (e.textContent !== content) e.textContent = content; // what is the same is not read out again
}

function clock(seconds) {
  return seconds ? new Date(seconds * 1000).toLocaleTimeString([], { hour12: false }) : "";
}

const inOrder = new Intl.Collator(undefined, { numeric: true }).compare;

function plural(n, one, many) {
  return n + " " + (n === 1 ? one : many);
}

// --- update

function drawUpdate() {
  const c = view.cni;
  const badge = byId("state");
  if (!c) {
    put("state", "No IstioCNI");
    badge.className = "badge";
    put("versions", "");
    put("message", "");
    put("progress-text", "No node is known yet");
  } else {
    const going = c.reason === "Updating" || c.reason === "NotLookedAt";
    const held = going && [...view.nodes.values()].some(([state]) => state === "failing");
    put("state", c.ready ? "Ready" : held ? "Held up" : going ? "Updating" : c.reason || "Not ready");
    badge.className = "badge " + (c.ready ? "good" : going && !held ? "going" : "bad");
    const from = c.running && c.running !== c.version ? c.running + " → " : "";
    put("versions", from + c.version);
    put("message", c.ready ? "" : c.message);
    put("progress-text", c.updated + " of " + plural(c.desired, "node", "nodes") + " updated");
    byId("progress").max = Math.max(1, c.desired);
    byId("progress").value = c.updated;
    document.title = (c.ready ? "" : c.updated + "/" + c.desired + " ") + "Istio CNI " + c.version;
  }
}

function drawNext() {
  const n = view.next || { text: "", command: "" };
  put("next-text", n.text);
  put("command", n.command);
  byId("next-command").hidden = !n.command;
}

// --- nodes

function stateOf(name) {
  return view.nodes.get(name)[0];
}

function describe(name) {
  const [state, covered, version, detail, created, started, ready] = view.nodes.get(name);
  let s = name + ": " + STATES[state][0] + (version ? ", " + version : "");
  if (!covered && state === "starting") s += ", no agent serves meanwhile";
  if (detail) s += ". " + detail;
  else if (ready && created) s += ", since " + clock(ready) + " (" + (ready - created) + " s after it was made)";
  return s;
}

function visible() {
  return view.order.filter((name) => (!chosen.states.size || chosen.states.has(stateOf(name))) && name.includes(chosen.find));
}

function drawLegend() {
  const counts = {};
  for (const [state] of view.nodes.values()) counts[state] = (counts[state] || 0) + 1;
  const legend = byId("legend");
  for (const state of Object.keys(STATES)) {
    let b = byId("show-" + state);
    if (!b) {
      b = document.createElement("button");
      b.type = "button";
      b.id = "show-" + state;
      const mark = text("span", STATES[state][1], "mark " + state);
      mark.setAttribute("aria-hidden", "true");
      b.append(mark, text("span", ""));
      b.addEventListener("click", () => {
        if (!chosen.states.delete(state)) chosen.states.add(state);
        drawNodes(true);
      });
      legend.append(b);
    }
    const label = (counts[state] || 0) + " " + STATES[state][0];
    if (b.lastChild.textContent !== label) b.lastChild.textContent = label;
    b.hidden = !counts[state] && !chosen.states.has(state);
    b.setAttribute("aria-pressed", String(chosen.states.has(state)));
  }
}

function paint(name, few) {
  const [state, , version] = view.nodes.get(name);
  const b = buttons.get(name);
  b.className = state;
  b.setAttribute("aria-label", describe(name));
  b.title = describe(name);
  if (few) {
    b.replaceChildren(text("span", name), text("small", (version || "no agent") + (state === "serving" ? "" : " · " + STATES[state][0])));
  } else {
    b.textContent = STATES[state][1];
  }
}

function select(name, focus) {
  if (buttons.has(chosen.node)) {
    buttons.get(chosen.node).tabIndex = -1;
    buttons.get(chosen.node).removeAttribute("aria-current");
  }
  chosen.node = name;
  const b = buttons.get(name);
  if (!b) return put("node", "");
  b.tabIndex = 0;
  if (focus) {
    b.setAttribute("aria-current", "true");
    b.focus();
    put("node", describe(name));
  }
}

// `all`: which nodes are shown has changed; otherwise only those that are named are painted again.
let few = true;
function drawNodes(all, changed) {
  drawLegend();
  const grid = byId("grid");
  if (all || few !== view.order.length <= FEW) {
    few = view.order.length <= FEW;
    grid.className = few ? "few" : "many";
    buttons.clear();
    const items = document.createDocumentFragment();
    for (const name of visible()) {
      const item = document.createElement("li");
      const b = document.createElement("button");
      b.type = "button";
      b.tabIndex = -1;
      b.dataset.node = name;
      buttons.set(name, b);
      item.append(b);
      items.append(item);
      paint(name, few);
    }
    grid.replaceChildren(items);
    byId("no-nodes").hidden = buttons.size > 0 || !view.order.length;
    select(buttons.has(chosen.node) ? chosen.node : buttons.keys().next().value || "", false);
  } else {
    for (const name of changed) if (buttons.has(name)) paint(name, few);
  }
  if (buttons.has(chosen.node) && buttons.get(chosen.node).hasAttribute("aria-current")) put("node", describe(chosen.node));
}

// Whether other nodes are to be shown than before.
function nodesCame(some) {
  let others = chosen.states.size > 0;
  for (const [name, node] of Object.entries(some)) {
    others = others || (node === null) === view.nodes.has(name);
    if (node === null) view.nodes.delete(name);
    else view.nodes.set(name, node);
  }
  return others;
}

// --- timeline

function drawTimeline() {
  const rows = [];
  for (const [name, [, , , , created, started, ready]] of view.nodes) if (created) rows.push({ name, created, started, ready });
  rows.sort((a, b) => b.created - a.created || inOrder(a.name, b.name));
  const took = rows.filter((r) => r.ready).map((r) => r.ready - r.created).sort((a, b) => a - b);
  const shown = rows.slice(0, ROWS);
  put("timeline-summary", took.length
    ? plural(took.length, "node serves", "nodes serve") + " with the present agent; median " + took[took.length >> 1] + " s, slowest " + took[took.length - 1] + " s from made to serving" +
      (rows.length > ROWS ? "; the last " + ROWS + " are shown" : "")
    : "No agent of the present version serves yet.");
  const now = Math.floor(Date.now() / 1000);
  const first = shown.length ? shown[shown.length - 1].created : 0;
  const last = Math.max(first + 1, ...shown.map((r) => r.ready || Math.min(now, r.created + 600)));
  const share = (seconds) => (100 * seconds) / (last - first) + "%";
  const body = document.createDocumentFragment();
  for (const r of shown) {
    const row = document.createElement("tr");
    const started = r.started || r.ready;
    row.append(
      text("td", r.name),
      text("td", clock(r.created), "time"),
      text("td", started ? started - r.created + " s" : "…", "time"),
      text("td", r.ready ? r.ready - r.created + " s" : "…", "time"),
    );
    const bar = text("td", "", "bar");
    const piece = (kind, seconds) => {
      const e = text("span", "", kind);
      e.style.width = share(Math.max(0, seconds));
      bar.append(e);
    };
    piece("before", r.created - first);
    if (started) piece("start", started - r.created);
    if (r.ready) piece("take", Math.max(r.ready - started, (last - first) / 200));
    else piece("open", Math.max(1, Math.min(now, last) - (started || r.created)));
    row.append(bar);
    body.append(row);
  }
  byId("timeline").tBodies[0].replaceChildren(body);
}

// --- tables

function drawPlanes() {
  const body = byId("planes").tBodies[0];
  body.replaceChildren(...view.planes.map((p) => {
    const row = document.createElement("tr");
    row.append(text("td", p.kind + "/" + p.name), text("td", p.version + (p.next ? " → " + p.next : "")), text("td", p.allowed ? "yes" : p.message, p.allowed ? "yes" : "no"));
    return row;
  }));
  byId("no-planes").hidden = view.planes.length > 0;
}

function drawPods() {
  const p = view.pods;
  if (!p) return;
  const asked = p.asked ? plural(p.agents, "agent was", "agents were") + " asked" : "as the agents tell by Events";
  put("pods-text", (p.count ? plural(p.count, "pod or node is", "pods or nodes are") + " named" : "None") + " (" + asked + ")." +
    (p.silentCount ? " " + plural(p.silentCount, "agent gives", "agents give") + " no answer: " + p.silent.join("; ") : ""));
  byId("pods").replaceChildren(...p.without.map((name) => text("li", name)));
}

function drawEvents() {
  const body = byId("events").tBodies[0];
  body.replaceChildren(...view.events.map((e) => {
    const row = document.createElement("tr");
    row.className = e.type;
    row.append(text("td", clock(e.at), "time"), text("td", e.type), text("td", e.reason), text("td", e.object), text("td", e.message + (e.count > 1 ? " (" + e.count + " times)" : "")));
    return row;
  }));
  byId("no-events").hidden = view.events.length > 0;
}

// --- the stream

function connect() {
  const stream = new EventSource("/stream");
  const heard = new Set();
  let others = false;
  let fresh = true; // all there is comes first
  const parts = { cni: drawUpdate, next: drawNext, planes: drawPlanes, pods: drawPods, events: drawEvents };
  const changed = new Set();
  stream.addEventListener("open", () => {
    fresh = true;
    put("connection", "Live");
  });
  for (const name of Object.keys(parts))
    stream.addEventListener(name, (e) => {
      view[name] = JSON.parse(e.data);
      heard.add(name);
    });
  const forget = () => {
    view.nodes.clear();
    others = true;
    fresh = false;
  };
  stream.addEventListener("nodes", (e) => {
    if (fresh) forget();
    const some = JSON.parse(e.data);
    others = nodesCame(some) || others;
    for (const name of Object.keys(some)) changed.add(name);
  });
  stream.addEventListener("drawn", () => {
    if (fresh) forget();
    if (changed.size || others) heard.add("cni"); // whether it is held up is seen at the nodes
    for (const name of heard) parts[name]();
    if (changed.size || others) {
      if (others) view.order = [...view.nodes.keys()].sort(inOrder);
      drawNodes(others, changed);
      drawTimeline();
    }
    heard.clear();
    changed.clear();
    others = false;
    document.body.dataset.drawn = Number(document.body.dataset.drawn || 0) + 1;
  });
  stream.addEventListener("closed", () => {
    stream.close();
    put("connection", "Your session has ended; load the page again");
  });
  stream.addEventListener("error", () => {
    put("connection", stream.readyState === EventSource.CLOSED ? "The view has ended; load the page again" : "Not connected; trying again");
  });
}

// --- keys and clicks

function around(from, key) {
  const all = [...buttons.keys()];
  const at = all.indexOf(from);
  const columns = getComputedStyle(byId("grid")).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  if (key === "Home") return all[0];
  if (key === "End") return all[all.length - 1];
  return step[key] ? all[Math.max(0, Math.min(all.length - 1, at + step[key]))] : null;
}

byId("grid").addEventListener("keydown", (e) => {
  const to = e.target.dataset.node && around(e.target.dataset.node, e.key);
  if (!to) return;
  e.preventDefault();
  select(to, true);
});
byId("grid").addEventListener("click", (e) => {
  const b = e.target.closest("button");
  if (b) select(b.dataset.node, true);
});
byId("find").addEventListener("input", (e) => {
  chosen.find = e.target.value.trim();
  drawNodes(true);
});
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    put("copy", "Copied");
  } catch {
    getSelection().selectAllChildren(byId("command")); // for who copies by hand
    put("copy", "Selected");
  }
  setTimeout(() => put("copy", "Copy"), 2000);
});
connect();
