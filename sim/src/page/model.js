// What the run is: the data of the page, made ready for filters and for culling by time.
// Times are seconds of virtual time from here on. Read draw.js next.

const data = JSON.parse(document.getElementById("data").textContent);

// The sorts of events that can be turned on and off, each with its colour in style.css.
const GROUPS = [
  ["faults", "faults"], ["nodes", "nodes"], ["messages", "messages"], ["replies", "replies"],
  ["control", "control frames"], ["datagrams", "datagrams"], ["handlers", "handlers"], ["actors", "actors"],
  ["logs", "log lines"], ["notes", "notes"], ["timers", "timers"], ["disk", "disk"],
];
const OFF_AT_FIRST = new Set(["datagrams", "timers", "control"]);
const REPLIES = new Set(["Reply", "Error", "StreamItem", "StreamEnd"]);
const DOT_GROUPS = {
  turn: "nodes", fault: "faults", repaired: "faults", phase: "faults", problem: "faults", note: "notes",
  error: "logs", warn: "logs", info: "logs", actor_started: "actors", actor_stopped: "actors",
  handler: "handlers", timer: "timers", disk: "disk", unreachable: "datagrams",
};
const DOT_WORDS = {
  turn: "", fault: "fault:", repaired: "repaired:", phase: "phase:", problem: "problem:", note: "",
  error: "error:", warn: "warning:", info: "log:", actor_started: "actor started:", actor_stopped: "actor stopped:",
  handler: "handles", timer: "timer fired:", disk: "disk:", unreachable: "",
};

const seconds = (ns) => ns / 1e9;
const hostName = (host) => host === undefined ? "somebody" : data.hosts[host];

function dotItem(dot) {
  const words = [DOT_WORDS[dot.kind], dot.text, dot.actor === undefined ? "" : `(actor ${dot.actor})`];
  const group = DOT_GROUPS[dot.kind] ?? "notes";
  const text = words.filter((word) => word !== "").join(" ");
  const at = seconds(dot.at);
  return { arrow: false, kind: dot.kind, group, at, until: at, host: dot.host, text, short: dot.text };
}

function arrowItem(arrow) {
  const group = arrow.kind === "Datagram" ? "datagrams"
    : arrow.kind === "Message" ? "messages" : REPLIES.has(arrow.kind) ? "replies" : "control";
  const at = seconds(arrow.sent ?? arrow.ended);
  const until = seconds(arrow.ended ?? arrow.sent);
  const lost = arrow.lost ?? "";
  const what = [arrow.kind, arrow.message ?? ""].filter((word) => word !== "").join(" ");
  const text = `${what}, ${arrow.size} bytes` + (lost === "" ? "" : `: ${lost}`);
  return {
    arrow: true, kind: arrow.kind, group, at, until, host: arrow.from, to: arrow.to, text, lost,
    short: arrow.message || arrow.kind, isSent: arrow.sent !== undefined, hasEnded: arrow.ended !== undefined,
  };
}

// Everything, in the order of its time.
const items = [...data.dots.map(dotItem), ...data.arrows.map(arrowItem)].sort((a, b) => a.at - b.at);
items.forEach((item, index) => {
  item.index = index;
  const hosts = item.arrow ? `${hostName(item.host)} ${hostName(item.to)}` : hostName(item.host);
  item.sought = `${item.text} ${hosts}`.toLowerCase();
});
const arrowSpanMax = items.reduce((max, item) => Math.max(max, item.until - item.at), 0);
const runEnd = Math.max(seconds(data.end), items.length ? items[items.length - 1].at : 0, 1e-3);

const bands = data.bands.map((band) => ({
  from: seconds(band.from), until: band.until === undefined ? runEnd : seconds(band.until), text: band.text,
  hosts: new Set(band.hosts), sought: band.text.toLowerCase(),
}));
packBands();

// Gives each band a row in which nothing else lies at its time.
function packBands() {
  const ends = [];
  for (const band of bands) {
    let row = ends.findIndex((end) => end <= band.from);
    if (row === -1) row = ends.length;
    ends[row] = band.until;
    band.row = row;
  }
}

// The lives of each node: from when to when it was up, and when it was held.
const lives = data.hosts.map(() => []);
for (const item of items) {
  if (item.kind !== "turn" || item.host === undefined) continue;
  const list = lives[item.host];
  const last = list[list.length - 1];
  if (item.short === "node started") list.push({ from: item.at, until: runEnd, end: "", held: [] });
  else if (!last) continue;
  else if (item.short === "node paused") last.held.push({ from: item.at, until: runEnd });
  else if (item.short === "node resumed" && last.held.length) last.held[last.held.length - 1].until = item.at;
  else if (item.short === "node crashed" || item.short === "node exited") {
    last.until = item.at;
    last.end = item.short === "node crashed" ? "crash" : "exit";
    if (last.held.length) last.held[last.held.length - 1].until = Math.min(item.at, last.held[last.held.length - 1].until);
  }
}

const groupCounts = Object.fromEntries(GROUPS.map(([group]) => [group, 0]));
items.forEach((item) => { groupCounts[item.group] += 1; });

// What is shown. It goes into the fragment of the address and comes from there, so that a view can be passed on.
const view = {
  nodes: new Set(data.hosts.keys()),
  groups: new Set(GROUPS.map(([group]) => group).filter((group) => !OFF_AT_FIRST.has(group))),
  text: "", lost: false, from: 0, to: runEnd, theme: "", selected: -1,
};

// What passes the filters, in the order of its time; made anew when they change.
let shown = [];
function filter() {
  const words = view.text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const near = (host) => host !== undefined && view.nodes.has(host);
  const passes = (item) => view.groups.has(item.group)
    && (item.host === undefined && !item.arrow || near(item.host) || item.arrow && near(item.to))
    && (!view.lost || item.arrow && item.lost !== "")
    && words.every((word) => item.sought.includes(word));
  shown = items.filter(passes);
}

// The place of the first one that is not before this time.
function firstFrom(list, time) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].at < time) low = middle + 1; else high = middle;
  }
  return low;
}

// Calls back for everything shown that touches this span of time.
function eachBetween(from, to, call) {
  for (let at = firstFrom(shown, from - arrowSpanMax); at < shown.length && shown[at].at <= to; at++) {
    if (shown[at].until >= from) call(shown[at]);
  }
}

function timeText(time, digits = 3) {
  return `${time.toFixed(digits)} s`;
}

function describe(item) {
  if (!item.arrow) return item.text;
  return `${hostName(item.host)} → ${hostName(item.to)}: ${item.text}`;
}
