// What the reader does: filters, zoom, selection, and the fragment of the address.
// All text of the run enters the page as text, never as HTML. Read main.js next.

const byId = (id) => document.getElementById(id);
const SPAN_LEAST = 1e-4, LISTED_MAX = 300, SELECTED_MAX = 40;

function element(name, text, parts = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...parts });
}

let frame = 0, listTimer = 0;
function redraw() {
  if (!frame) frame = requestAnimationFrame(() => { frame = 0; guarded(draw); });
  clearTimeout(listTimer);
  listTimer = setTimeout(() => guarded(settle), 120);
}

// What follows once the view has come to rest.
function settle() {
  list();
  writeFragment();
}

function show(from, to) {
  const span = Math.min(Math.max(to - from, SPAN_LEAST), runEnd * 1.02);
  const middle = (from + to) / 2;
  const start = Math.max(-runEnd * 0.01, Math.min(middle - span / 2, runEnd * 1.01 - span));
  [view.from, view.to] = [start, start + span];
  byId("span").textContent = `${timeText(Math.max(0, start))} – ${timeText(Math.min(runEnd, start + span))}`;
  redraw();
}

function zoom(factor, at = (view.from + view.to) / 2) {
  const span = Math.max((view.to - view.from) * factor, SPAN_LEAST);
  const part = (at - view.from) / (view.to - view.from);
  show(at - span * part, at - span * part + span);
}

const move = (part) => show(view.from + (view.to - view.from) * part, view.to + (view.to - view.from) * part);

function refilter() {
  filter();
  redraw();
}

function choice(box, text, colour, isOn, change, count) {
  const label = element("label", "");
  const input = element("input", "", { type: "checkbox", checked: isOn });
  input.addEventListener("change", () => { change(input.checked); refilter(); });
  label.append(input);
  if (colour) {
    const patch = element("i", "");
    patch.style.background = `var(--${colour})`;
    label.append(patch);
  }
  label.append(element("span", text));
  if (count !== undefined) label.append(element("small", String(count)));
  byId(box).append(label);
  return input;
}

const toggle = (set, key) => (isOn) => { if (isOn) set.add(key); else set.delete(key); };

function makeFilters() {
  for (const box of ["nodes", "kinds"]) byId(box).querySelectorAll("label").forEach((label) => label.remove());
  data.hosts.forEach((name, host) => choice("nodes", name, "", view.nodes.has(host), toggle(view.nodes, host)));
  for (const [group, words] of GROUPS) {
    if (groupCounts[group] === 0) continue;
    choice("kinds", words, group, view.groups.has(group), toggle(view.groups, group), groupCounts[group]);
  }
  byId("text").value = view.text;
  byId("lost").checked = view.lost;
}

function list() {
  const found = [];
  let more = 0;
  eachBetween(view.from, view.to, (item) => {
    if (found.length < LISTED_MAX) found.push(item); else more += 1;
  });
  byId("count").textContent = more ? `the first ${found.length} of ${found.length + more}` : String(found.length);
  byId("list").replaceChildren(...found.map((item) => {
    const button = element("button", "", { type: "button", title: describe(item) });
    const who = item.arrow ? "" : `${item.host === undefined ? "world" : hostName(item.host)}: `;
    button.append(element("time", timeText(item.at)), ` ${who}${describe(item)}`);
    button.style.borderLeftColor = item.lost ? "var(--lost)" : `var(--${item.group})`;
    if (item.index === view.selected) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => select([item]));
    const row = element("li", "");
    row.append(button);
    return row;
  }));
}

function card(item) {
  const box = element("div", "", { className: "item" });
  box.style.borderLeftColor = item.lost ? "var(--lost)" : `var(--${item.group})`;
  const who = item.arrow ? `${hostName(item.host)} → ${hostName(item.to)}`
    : item.host === undefined ? "world" : hostName(item.host);
  const first = element("p", "");
  const times = item.arrow && item.isSent && item.hasEnded && item.until > item.at
    ? `${timeText(item.at, 6)}, ${((item.until - item.at) * 1e3).toFixed(3)} ms under way` : timeText(item.at, 6);
  first.append(element("b", who), " ", element("time", times));
  box.append(first, element("p", item.text));
  return box;
}

function select(found) {
  view.selected = found.length ? found[0].index : -1;
  const shownCards = found.slice(0, SELECTED_MAX).map(card);
  if (found.length > SELECTED_MAX) shownCards.push(element("p", `and ${found.length - SELECTED_MAX} more`));
  byId("selected").replaceChildren(...(found.length ? shownCards : ["Nothing."]));
  const item = found[0];
  if (item && (item.at < view.from || item.at > view.to)) {
    const half = (view.to - view.from) / 2;
    show(item.at - half, item.at + half);
  }
  redraw();
}

// The next one shown, in a direction, for which the test holds.
function step(direction, test = () => true) {
  const now = items[view.selected];
  let at = now ? shown.indexOf(now) : -1;
  if (at === -1) at = firstFrom(shown, now ? now.at : view.from) - (direction > 0 ? 1 : 0);
  for (at += direction; at >= 0 && at < shown.length; at += direction) {
    if (test(shown[at])) return select([shown[at]]);
  }
}

// What lies within a few pixels of a point, the nearest first.
function near(x, y) {
  const found = [], reach = 7 / scale();
  eachBetween(timeAt(x) - reach * 5, timeAt(x) + reach * 5, (item) => {
    const far = item.arrow ? arrowDistance(item, x, y) : dotDistance(item, x, y);
    if (far < 7) found.push([far, item]);
  });
  if (y < layout.world) {
    for (const band of bands) {
      const top = AXIS + 20 + Math.min(band.row, BAND_ROWS_MAX - 1) * BAND;
      if (y >= top && y < top + BAND && xOf(band.from) - 3 <= x && x <= xOf(band.until) + 3) {
        const item = items.find((other) => other.kind === "fault" && other.at === band.from && other.short === band.text);
        if (item) found.push([0, item]);
      }
    }
  }
  return found.sort((a, b) => a[0] - b[0] || a[1].index - b[1].index).map(([, item]) => item);
}

function dotDistance(item, x, y) {
  const place = item.host === undefined ? { x: xOf(item.at), y: AXIS + 10 } : dotPlace(item);
  return place ? Math.hypot(place.x - x, place.y - y) : Infinity;
}

function arrowDistance(item, x, y) {
  const line = ends(item);
  if (!line) return Infinity;
  const [dx, dy] = [line.x2 - line.x1, line.y2 - line.y1];
  const part = Math.max(0, Math.min(1, ((x - line.x1) * dx + (y - line.y1) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(line.x1 + part * dx - x, line.y1 + part * dy - y);
}

function tip(event) {
  const box = byId("tip");
  const found = near(event.offsetX, event.offsetY);
  box.hidden = found.length === 0;
  if (box.hidden) return;
  const [first, ...rest] = found;
  box.textContent = `${timeText(first.at, 6)}  ${describe(first)}` + (rest.length ? `\nand ${rest.length} more here` : "");
  const left = Math.min(event.offsetX + 14, layout.width - box.offsetWidth - 8);
  const top = event.offsetY + 18 + box.offsetHeight > layout.height ? event.offsetY - box.offsetHeight - 10 : event.offsetY + 18;
  [box.style.left, box.style.top] = [`${Math.max(4, left)}px`, `${Math.max(4, top)}px`];
}

function bindPointer() {
  let drag = null;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const amount = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) move((event.deltaX || amount) / 1200);
    else if (event.altKey) { layout.scroll += amount; redraw(); }
    else zoom(1.0016 ** amount, timeAt(event.offsetX));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const { offsetX: x, offsetY: y, shiftKey: picks } = event;
    drag = { x, y, from: view.from, to: view.to, scroll: layout.scroll, moved: false, picks, start: timeAt(x) };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return tip(event);
    byId("tip").hidden = true;
    const distance = event.offsetX - drag.x;
    drag.moved ||= Math.abs(distance) > 3 || Math.abs(event.offsetY - drag.y) > 3;
    if (!drag.moved || drag.picks) return;
    canvas.classList.add("dragging");
    layout.scroll = drag.scroll + drag.y - event.offsetY;
    show(drag.from - distance / scale(), drag.to - distance / scale());
  });
  const end = (event) => {
    canvas.classList.remove("dragging");
    const was = drag;
    drag = null;
    if (!was || event.type === "pointercancel") return;
    if (!was.moved) select(near(event.offsetX, event.offsetY));
    else if (was.picks) show(Math.min(was.start, timeAt(event.offsetX)), Math.max(was.start, timeAt(event.offsetX)));
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => { byId("tip").hidden = true; });
  canvas.addEventListener("dblclick", (event) => zoom(0.25, timeAt(event.offsetX)));
  const jump = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    const at = ((event.offsetX - LEFT) / (layout.width - LEFT - RIGHT)) * runEnd, half = (view.to - view.from) / 2;
    show(at - half, at + half);
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); jump(event); });
  overview.addEventListener("pointermove", jump);
}

const KEYS = {
  ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), "+": () => zoom(0.6), "=": () => zoom(0.6),
  "-": () => zoom(1 / 0.6), 0: () => show(0, runEnd), Home: () => show(0, view.to - view.from),
  End: () => show(runEnd - (view.to - view.from), runEnd), n: () => step(1), p: () => step(-1),
  l: () => step(1, (item) => Boolean(item.lost)), Escape: () => select([]),
  ArrowUp: () => { layout.scroll -= 40; redraw(); }, ArrowDown: () => { layout.scroll += 40; redraw(); },
};

function bindKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target instanceof HTMLInputElement && event.target.type === "search";
    if (event.key === "/" && !typing) {
      event.preventDefault();
      return byId("text").focus();
    }
    const key = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : undefined;
    const onCanvas = event.target === canvas || event.target === document.body;
    if (!key || typing || !onCanvas && !["n", "p", "l", "Escape"].includes(event.key)) return;
    event.preventDefault();
    key();
  });
}

// #node=a,b&kind=messages,logs&text=…&lost=1&from=1.5&to=2.5&theme=dark, or zoom=20&at=1.9 in place of from and to.
function readFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  const listed = (name) => given.get(name).split(",").map((word) => word.trim());
  if (given.has("node")) view.nodes = new Set([...data.hosts.keys()].filter((host) => listed("node").includes(data.hosts[host])));
  if (given.has("kind")) view.groups = new Set(listed("kind").filter((group) => Object.hasOwn(groupCounts, group)));
  view.text = given.get("text") ?? "";
  view.lost = given.get("lost") === "1";
  view.theme = given.get("theme") ?? "";
  const number = (name, otherwise) => {
    const value = Number.parseFloat(given.get(name));
    return Number.isFinite(value) ? value : otherwise;
  };
  const half = runEnd / Math.max(1, number("zoom", 1)) / 2, at = number("at", runEnd / 2);
  const [from, to] = [number("from", at - half), number("to", at + half)];
  return from < to ? [from, to] : [0, runEnd];
}

let written = "";
function writeFragment() {
  const words = new URLSearchParams();
  if (view.nodes.size < data.hosts.length) words.set("node", [...view.nodes].map((host) => data.hosts[host]).join(","));
  const first = GROUPS.filter(([group]) => !OFF_AT_FIRST.has(group));
  if (first.length !== view.groups.size || !first.every(([group]) => view.groups.has(group))) {
    words.set("kind", [...view.groups].join(","));
  }
  if (view.text) words.set("text", view.text);
  if (view.lost) words.set("lost", "1");
  if (view.theme) words.set("theme", view.theme);
  if (view.to - view.from < runEnd * 0.999) {
    words.set("from", view.from.toFixed(6));
    words.set("to", view.to.toFixed(6));
  }
  written = `#${words}`;
  history.replaceState(null, "", written);
}
