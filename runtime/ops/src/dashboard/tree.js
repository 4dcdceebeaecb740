// The supervision tree: rows that open and close, walked by arrow keys (WAI-ARIA, tree view).

/** Rows at once; a filter or closed branches bring the others in reach. */
const ROWS_MAX = 400;

/** Branches below this depth begin closed. */
const OPEN_DEPTH = 3;

const tree = { actors: [], leftOut: 0, silent: 0, opened: new Map(), focused: null, hot: new Map() };

function isOpen(actor) {
  return tree.opened.get(actor.number) ?? actor.depth < OPEN_DEPTH;
}

/** The rows that are to be seen. */
function visibleRows() {
  const wanted = at("actors-filter").value.trim().toLowerCase();
  const parents = new Set(tree.actors.map((actor) => actor.parent).filter((parent) => parent !== null));
  const rows = [];
  if (wanted) {
    // Whoever fits, with those above.
    const byNumber = new Map(tree.actors.map((actor) => [actor.number, actor]));
    const shown = new Set();
    for (const actor of tree.actors) {
      const text = [actor.kind, actor.id ?? "", ...actor.names, "#" + actor.number, actor.state].join(" ").toLowerCase();
      if (!text.includes(wanted)) continue;
      for (let one = actor; one && !shown.has(one.number); one = byNumber.get(one.parent)) shown.add(one.number);
    }
    for (const actor of tree.actors) if (shown.has(actor.number)) rows.push({ actor, isParent: parents.has(actor.number), open: true });
    return rows;
  }
  let closedAt = Infinity;
  for (const actor of tree.actors) {
    if (actor.depth > closedAt) continue;
    closedAt = Infinity;
    const isParent = parents.has(actor.number);
    const open = isOpen(actor);
    rows.push({ actor, isParent, open });
    if (isParent && !open) closedAt = actor.depth;
  }
  return rows;
}

function showTree() {
  const rows = visibleRows();
  const shown = rows.slice(0, ROWS_MAX);
  if (!shown.some((row) => row.actor.number === tree.focused)) tree.focused = shown.length ? shown[0].actor.number : null;
  each(at("tree"), shown, (row) => row.actor.number, makeRow, updateRow);
  whenEmpty(at("tree"), shown.length === 0, "No actor fits.");
  const more = rows.length - shown.length + tree.leftOut;
  const notes = [];
  if (more > 0) notes.push(count(more) + " more are not shown: use the filter, or odeon actors.");
  if (tree.silent > 0) notes.push("What runs on " + plural(tree.silent, "worker that does", "workers that do") + " not answer is missing.");
  say(at("tree-more"), notes.join(" "));
  say(at("actors-count"), plural(tree.actors.length + tree.leftOut, "actor", "actors"));
}

function makeRow({ actor }) {
  const row = el("li", "actor", el("span", "indent"), el("span", "twist"), el("span", "kind text"), el("span", "dim text"), el("span", "grow"));
  row.setAttribute("role", "treeitem");
  row.dataset.number = actor.number;
  for (let part = 0; part < 4; part += 1) row.append(el("span", "pill"));
  row.addEventListener("click", (event) => {
    focusRow(row);
    if (event.target === row.children[1] || event.detail === 2) turn(row, row.getAttribute("aria-expanded") !== "true");
  });
  return row;
}

function updateRow(row, { actor, isParent, open }) {
  row.setAttribute("aria-level", actor.depth + 1);
  if (isParent) row.setAttribute("aria-expanded", String(open));
  else row.removeAttribute("aria-expanded");
  row.tabIndex = actor.number === tree.focused ? 0 : -1;
  row.children[0].style.width = Math.min(actor.depth, 24) * 1.15 + "rem";
  say(row.children[1], isParent ? (open ? "▾" : "▸") : "");
  say(row.children[2], visible((actor.id ? actor.id + ": " : "") + shortKind(actor.kind)));
  say(row.children[3], visible(["#" + actor.number, ...actor.names.map((name) => '"' + name + '"')].join(" ")));
  row.title = visible(actor.kind);
  const busy = tree.hot.get(actor.number);
  const pills = [
    [actor.state === "running" ? "" : actor.state, actor.state === "waiting" ? "warn" : ""],
    [busy >= 0.01 ? share(busy) + " busy" : "", "accent"],
    [actor.waiting ? count(actor.waiting) + " waiting" : "", actor.waiting >= 100 ? "bad" : ""],
    [actor.restarts ? plural(actor.restarts, "restart", "restarts") : "", "warn"],
  ];
  pills.forEach(([text, tone], number) => {
    const pill = row.children[5 + number];
    pill.hidden = !text;
    kind(pill, "pill " + tone);
    say(pill, visible(text));
  });
}

/** Opens or closes a branch. */
function turn(row, open) {
  if (!row.hasAttribute("aria-expanded")) return;
  tree.opened.set(Number(row.dataset.number), open);
  showTree();
}

function focusRow(row) {
  if (!row) return;
  tree.focused = Number(row.dataset.number);
  for (const other of at("tree").children) other.tabIndex = other === row ? 0 : -1;
  row.focus();
}

/** The row above it in the tree, not on the page. */
function parentRow(row) {
  const level = Number(row.getAttribute("aria-level"));
  let one = row.previousElementSibling;
  while (one && Number(one.getAttribute("aria-level")) >= level) one = one.previousElementSibling;
  return one;
}

at("tree").addEventListener("keydown", (event) => {
  const row = event.target.closest(".actor");
  if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
  const open = row.getAttribute("aria-expanded");
  const steps = {
    ArrowDown: () => focusRow(row.nextElementSibling),
    ArrowUp: () => focusRow(row.previousElementSibling),
    ArrowRight: () => (open === "false" ? turn(row, true) : open === "true" && focusRow(row.nextElementSibling)),
    ArrowLeft: () => (open === "true" ? turn(row, false) : focusRow(parentRow(row))),
    Home: () => focusRow(at("tree").firstElementChild),
    End: () => focusRow(at("tree").lastElementChild),
    Enter: () => turn(row, open !== "true"),
    " ": () => turn(row, open !== "true"),
  };
  if (!steps[event.key]) return;
  event.preventDefault();
  steps[event.key]();
});
at("actors-filter").addEventListener("input", showTree);
