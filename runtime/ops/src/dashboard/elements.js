// Elements of the page. Whatever a node says becomes text, by `textContent` or a text node, and never markup.

window.addEventListener("error", (event) => complain(String(event.message)));
window.addEventListener("unhandledrejection", (event) => complain(String(event.reason)));

/** Says what is wrong with this page itself. */
function complain(text) {
  const errors = document.getElementById("errors");
  errors.hidden = false;
  errors.textContent = (errors.textContent + text + "\n").slice(-2000);
}

const at = (id) => document.getElementById(id);
const SVG = at("logo").namespaceURI;

/** An element of this class with these parts: elements, or texts. */
function el(name, kind, ...parts) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...parts.filter((part) => part !== null && part !== undefined));
  return made;
}

/** An element of a picture. */
function draw(name, attributes, ...parts) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...parts);
  return made;
}

/** Changes a text only if it differs, so that a selection stays. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function kind(element, name) {
  if (element.className !== name) element.className = name;
}

/** A text that somebody else chose: its direction stays its own, and control characters are shown. */
function foreign(text) {
  return el("bdi", "", visible(text));
}

/** Keeps the children of an element in step with items: one each, by their keys, so that focus and selection stay. */
function each(parent, items, keyOf, make, update) {
  const known = parent.known ?? (parent.known = new Map());
  const fresh = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    if (fresh.has(key)) continue;
    const child = known.get(key) ?? make(item);
    update(child, item);
    fresh.set(key, child);
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  for (const [key, child] of known) if (!fresh.has(key)) child.remove();
  parent.known = fresh;
}

/** A line where there is nothing to show. */
function whenEmpty(parent, isEmpty, text) {
  const there = parent.emptyLine;
  if (isEmpty && !there) {
    parent.emptyLine = el(parent.tagName === "DIV" ? "p" : "li", "empty", text);
    parent.append(parent.emptyLine);
  } else if (isEmpty) say(there, text);
  else if (there) {
    there.remove();
    parent.emptyLine = null;
  }
}
