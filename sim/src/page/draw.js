// The picture: a lane for each node, time from left to right, arrows between the lanes.
// Only what is in view is drawn, and of what would fall on the same pixels one. Read controls.js next.

const canvas = document.getElementById("canvas");
const overview = document.getElementById("overview");
const laneBox = document.getElementById("lanes");
const LEFT = 96, RIGHT = 14, AXIS = 24, BAND = 15, BAND_ROWS_MAX = 6, LANE_LEAST = 54;
const layout = { width: 0, height: 0, lanes: [], laneOf: new Map(), worldY: 0, scroll: 0, content: 0 };
let colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["bg", "panel", "ink", "muted", "line", "lane", "accent", "stripe", "lost", "warn", "error", "bad"];
  const all = [...names, ...GROUPS.map(([group]) => group)];
  colours = Object.fromEntries(all.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// Fits a canvas to its place and to the pixels of the screen.
function fit(target) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = target.getBoundingClientRect();
  const [wide, high] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (target.width !== wide || target.height !== high) [target.width, target.height] = [wide, high];
  const pen = target.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, 'Liberation Sans', sans-serif";
  pen.textBaseline = "middle";
  return { pen, width, height };
}

function arrange(width, height) {
  const rows = Math.min(BAND_ROWS_MAX, bands.reduce((max, band) => Math.max(max, band.row + 1), 0));
  const world = AXIS + 20 + rows * BAND + 8;
  const nodes = [...view.nodes].sort((a, b) => a - b);
  const each = Math.max(LANE_LEAST, (height - world) / Math.max(1, nodes.length));
  layout.content = world + each * nodes.length;
  layout.scroll = Math.max(0, Math.min(layout.scroll, layout.content - height));
  Object.assign(layout, { width, height, rows, world, each });
  layout.lanes = nodes.map((host, at) => ({ host, y: world + each * (at + 0.5) - layout.scroll }));
  layout.laneOf = new Map(layout.lanes.map((lane) => [lane.host, lane.y]));
  nameLanes();
}

// The names are text of the page, not of the picture, so that they can be found and read out.
function nameLanes() {
  const wanted = [{ name: "faults", y: AXIS + 10, world: true },
    ...layout.lanes.map((lane) => ({ name: data.hosts[lane.host], y: lane.y, world: false }))];
  while (laneBox.children.length > wanted.length) laneBox.lastChild.remove();
  wanted.forEach((lane, at) => {
    const label = laneBox.children[at] ?? laneBox.appendChild(document.createElement("div"));
    label.className = lane.world ? "lane world" : "lane";
    label.style.top = `${lane.y}px`;
    label.style.visibility = !lane.world && lane.y < layout.world ? "hidden" : "";
    if (label.textContent !== lane.name) label.textContent = lane.name;
  });
}

const scale = () => (layout.width - LEFT - RIGHT) / (view.to - view.from);
const xOf = (time) => LEFT + (time - view.from) * scale();
const timeAt = (x) => view.from + (x - LEFT) / scale();

function draw() {
  const { pen, width, height } = fit(canvas);
  arrange(width, height);
  drawLanes(pen);
  const counts = { arrows: 0, dots: 0, bands: 0 };
  pen.save();
  pen.beginPath();
  pen.rect(LEFT - 8, layout.world - 4, width - LEFT + 8, height);
  pen.clip();
  const dots = [], arrows = [];
  eachBetween(view.from, view.to, (item) => { (item.arrow ? arrows : dots).push(item); });
  counts.arrows = drawArrows(pen, arrows);
  counts.dots = drawDots(pen, dots);
  drawSelected(pen);
  pen.restore();
  counts.bands = drawWorld(pen, dots);
  drawAxis(pen);
  drawOverview();
  Object.assign(canvas.dataset, { lanes: layout.lanes.length, ...counts });
}

function drawLanes(pen) {
  layout.lanes.forEach((lane, at) => {
    const half = layout.each / 2;
    if (at % 2 === 0) {
      pen.fillStyle = colours.stripe;
      pen.fillRect(0, lane.y - half, layout.width, layout.each);
    }
    if (view.groups.has("faults")) {
      pen.fillStyle = colours.faults;
      pen.globalAlpha = 0.1;
      for (const band of bands) {
        if (!band.hosts.has(lane.host) || band.until < view.from || band.from > view.to) continue;
        const x = Math.max(LEFT, xOf(band.from));
        pen.fillRect(x, lane.y - half + 2, Math.max(1, Math.min(layout.width, xOf(band.until)) - x), layout.each - 4);
      }
      pen.globalAlpha = 1;
    }
    lives[lane.host].forEach((life, number) => drawLife(pen, lane.y, life, number));
  });
}

// A lane is a line while its node is up; it is dashed while the node is held.
function drawLife(pen, y, life, number) {
  if (life.until < view.from || life.from > view.to) return;
  const line = (from, to, width, dash, colour) => {
    if (xOf(to) < LEFT - 6) return;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(Math.max(LEFT - 6, xOf(from)), y);
    pen.lineTo(Math.min(layout.width, xOf(to)), y);
    pen.stroke();
    pen.setLineDash([]);
  };
  line(life.from, life.until, 2, [], colours.lane);
  for (const held of life.held) {
    line(held.from, held.until, 4, [], colours.panel);
    line(held.from, held.until, 3, [2, 5], colours.faults);
  }
  const x = xOf(life.until);
  if (life.end === "crash" && x >= LEFT) cross(pen, x, y, 6, colours.bad, 2.5);
  if (life.end === "exit" && x >= LEFT) bar(pen, x, y);
  const start = xOf(life.from);
  if (number > 0 && start >= LEFT) {
    bar(pen, start, y);
    pen.fillStyle = colours.muted;
    pen.fillText(`life ${number + 1}`, start + 5, y + layout.each / 2 - 9);
  }
}

function bar(pen, x, y) {
  pen.strokeStyle = colours.nodes;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(x, y - 8);
  pen.lineTo(x, y + 8);
  pen.stroke();
}

function cross(pen, x, y, size, colour, width) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  crossPath(pen, x, y, size);
  pen.stroke();
}

function crossPath(pen, x, y, size) {
  pen.moveTo(x - size, y - size);
  pen.lineTo(x + size, y + size);
  pen.moveTo(x + size, y - size);
  pen.lineTo(x - size, y + size);
}

// Both ends of an arrow on the canvas; nothing where no lane of it is shown. What has one end is a stub.
function ends(item) {
  const [from, to] = [layout.laneOf.get(item.host), layout.laneOf.get(item.to)];
  if (from === undefined && to === undefined) return null;
  const stub = Math.min(26, layout.each / 2 - 4);
  const down = item.host === undefined || item.to === undefined || item.host <= item.to ? 1 : -1;
  const [x1, x2] = [xOf(item.at), xOf(item.until)];
  if (from === undefined || !item.isSent) return { x1: x2 - stub * 0.6, y1: to - down * stub, x2, y2: to };
  if (to === undefined || !item.hasEnded) return { x1, y1: from, x2: x1 + stub * 0.6, y2: from + down * stub };
  if (from === to) return { x1, y1: from, x2: Math.max(x2, x1 + 6), y2: from - stub };
  return { x1, y1: from, x2, y2: to };
}

// Of arrows that fall on the same few pixels, more of them the more there are, one is drawn; and all of one look are one path: strokes are what takes time.
function drawArrows(pen, arrows) {
  const grain = Math.min(8, Math.ceil(arrows.length / 3000)) || 1, looks = new Map(), drawn = new Set();
  let count = 0;
  for (const item of arrows) {
    const line = ends(item);
    if (!line) continue;
    count += 1;
    const look = item.lost ? "lost" : item.group;
    if (!looks.has(look)) looks.set(look, []);
    const place = `${look} ${item.host} ${item.to} ${Math.round(line.x1 / grain)} ${Math.round(line.x2 / grain)}`;
    if (drawn.has(place)) continue;
    drawn.add(place);
    looks.get(look).push(line);
  }
  for (const [look, lines] of looks) drawLook(pen, look, lines);
  return count;
}

function drawLook(pen, look, lines) {
  const lost = look === "lost";
  pen.strokeStyle = pen.fillStyle = colours[look];
  pen.globalAlpha = lost ? 0.9 : look === "control" || look === "datagrams" ? 0.5 : 0.8;
  pen.lineWidth = lost ? 1.4 : 1.1;
  // Dashes cost more than lines do.
  pen.setLineDash(lost && lines.length < 500 ? [4, 3] : []);
  pen.beginPath();
  for (const line of lines) {
    pen.moveTo(line.x1, line.y1);
    pen.lineTo(line.x2, line.y2);
  }
  pen.stroke();
  pen.setLineDash([]);
  pen.beginPath();
  for (const line of lines) {
    if (lost) crossPath(pen, line.x2, line.y2, 3);
    else headPath(pen, line);
  }
  if (lost) pen.stroke(); else pen.fill();
  pen.globalAlpha = 1;
}

function headPath(pen, line) {
  const angle = Math.atan2(line.y2 - line.y1, line.x2 - line.x1);
  pen.moveTo(line.x2, line.y2);
  pen.lineTo(line.x2 - 7 * Math.cos(angle - 0.35), line.y2 - 7 * Math.sin(angle - 0.35));
  pen.lineTo(line.x2 - 7 * Math.cos(angle + 0.35), line.y2 - 7 * Math.sin(angle + 0.35));
  pen.closePath();
}

// Where a dot lies beside the line of its lane, so that sorts do not hide each other.
const RAISED = { logs: -15, notes: -15, handlers: 0, actors: 0, nodes: 0, timers: 9, disk: 15, datagrams: 9 };
function dotPlace(item) {
  const y = layout.laneOf.get(item.host);
  return y === undefined ? null : { x: xOf(item.at), y: y + (RAISED[item.group] ?? 0) };
}

function dotColour(item) {
  return item.kind === "error" || item.kind === "problem" ? colours.error
    : item.kind === "warn" ? colours.warn : colours[item.group];
}

function drawDots(pen, dots) {
  const last = new Map(), rows = new Map();
  let count = 0;
  for (const item of dots) {
    const place = dotPlace(item);
    if (!place) continue;
    count += 1;
    const key = `${item.host} ${item.group}`;
    const x = Math.round(place.x);
    if (last.get(key) !== x || item.kind === "error" || item.kind === "warn") dotShape(pen, item, place);
    last.set(key, x);
    const row = labelRow(item);
    if (!row) continue;
    if (!rows.has(row)) rows.set(row, []);
    rows.get(row).push({ item, ...place });
  }
  for (const row of rows.values()) {
    row.forEach((here, at) => label(pen, here, (row[at + 1]?.x ?? layout.width) - here.x));
  }
  return count;
}

function dotShape(pen, item, { x, y }) {
  pen.fillStyle = pen.strokeStyle = dotColour(item);
  pen.lineWidth = 1.5;
  pen.beginPath();
  switch (item.group) {
    case "handlers": pen.rect(x - 1.5, y - 5, 3, 10); break;
    case "timers": pen.rect(x - 0.5, y - 3, 1, 6); break;
    case "disk": pen.rect(x - 2.5, y - 2.5, 5, 5); break;
    case "actors": {
      const tip = item.kind === "actor_started" ? -6 : 6;
      pen.moveTo(x, y + tip);
      pen.lineTo(x - 5, y - tip / 2);
      pen.lineTo(x + 5, y - tip / 2);
      break;
    }
    case "nodes": return;
    default:
      if (item.kind === "warn" || item.kind === "error") {
        pen.moveTo(x, y - 6);
        pen.lineTo(x + 6, y + 4);
        pen.lineTo(x - 6, y + 4);
      } else pen.arc(x, y, item.group === "notes" ? 2.5 : 3.2, 0, 7);
  }
  if (item.kind === "note") pen.stroke(); else pen.fill();
}

// Which texts must not run into each other; none for what has no text beside it.
function labelRow(item) {
  if (item.group === "timers" || item.group === "nodes") return "";
  if (item.group === "logs" || item.group === "notes") return `${item.host} above`;
  return scale() < 60 ? "" : `${item.host} ${item.group === "disk" ? "below" : "on"}`;
}

// A text beside a dot, as much of it as fits before the next one.
function label(pen, { item, x, y }, room) {
  const above = item.group === "logs" || item.group === "notes";
  const text = fitted(pen, item.short, room - (above ? 16 : 12));
  if (x < LEFT - 2 || text === "") return;
  const [at, line] = [x + (above ? 7 : 4), above ? y - 1 : item.group === "disk" ? y + 2 : y + 13];
  pen.lineWidth = 3;
  pen.strokeStyle = colours.panel;
  pen.globalAlpha = 0.8;
  pen.strokeText(text, at, line);
  pen.globalAlpha = 1;
  pen.fillStyle = dotColour(item);
  pen.fillText(text, at, line);
}

// The beginning of a text that has room; nothing where that would be too little to read.
function fitted(pen, text, room) {
  const whole = text.length > 64 ? `${text.slice(0, 63)}…` : text;
  const width = pen.measureText(whole).width;
  if (width <= room) return whole;
  const letters = Math.floor((whole.length * room) / width) - 1;
  return letters < 5 ? "" : `${whole.slice(0, letters)}…`;
}

function drawSelected(pen) {
  const item = items[view.selected];
  if (!item) return;
  pen.strokeStyle = colours.accent;
  pen.lineWidth = 3;
  pen.globalAlpha = 0.9;
  const line = item.arrow ? ends(item) : null;
  const place = item.arrow ? null : dotPlace(item);
  pen.beginPath();
  if (line) {
    pen.moveTo(line.x1, line.y1);
    pen.lineTo(line.x2, line.y2);
  } else if (place) pen.arc(place.x, place.y, 8, 0, 7);
  pen.stroke();
  pen.globalAlpha = 1;
}

// Above the nodes: the faults as bars, and what the driver of the world says.
function drawWorld(pen, dots) {
  let count = 0;
  pen.save();
  pen.fillStyle = colours.panel;
  pen.fillRect(0, 0, layout.width, layout.world - 4);
  pen.beginPath();
  pen.rect(LEFT - 8, 0, layout.width, layout.world);
  pen.clip();
  if (view.groups.has("faults")) {
    for (const band of bands) {
      if (band.until < view.from || band.from > view.to) continue;
      count += 1;
      const x = Math.max(LEFT, xOf(band.from));
      const width = Math.max(3, Math.min(layout.width, xOf(band.until)) - x);
      const y = AXIS + 20 + Math.min(band.row, BAND_ROWS_MAX - 1) * BAND;
      pen.fillStyle = colours.faults;
      pen.globalAlpha = 0.3;
      pen.fillRect(x, y, width, BAND - 3);
      pen.globalAlpha = 1;
      pen.fillRect(x, y, 2, BAND - 3);
      const next = bands.find((other) => other.row === band.row && other.from >= band.until);
      const room = (next ? xOf(next.from) : layout.width) - x - 10;
      pen.fillStyle = colours.ink;
      pen.fillText(fitted(pen, band.text, room), x + 6, y + (BAND - 3) / 2);
    }
  }
  const told = dots.filter((item) => item.host === undefined && item.kind !== "fault" && item.kind !== "repaired");
  told.forEach((item, at) => {
    const x = xOf(item.at);
    pen.fillStyle = dotColour(item);
    if (item.kind === "phase" || item.kind === "problem") pen.fillRect(x - 1, AXIS, 2, layout.world - AXIS);
    else dotShape(pen, item, { x, y: AXIS + 10 });
    const room = (at + 1 < told.length ? xOf(told[at + 1].at) : layout.width) - x - 10;
    pen.fillStyle = dotColour(item);
    if (x >= LEFT - 2) pen.fillText(fitted(pen, item.text, room), x + 6, AXIS + 10);
  });
  pen.restore();
  pen.fillStyle = colours.line;
  pen.fillRect(0, layout.world - 4, layout.width, 1);
  return count;
}

// A step between two marks of the axis that is round and leaves room for its text.
function roundStep(span, count) {
  const rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
}

function drawAxis(pen) {
  const step = roundStep(view.to - view.from, Math.max(2, (layout.width - LEFT) / 110));
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  pen.lineWidth = 1;
  for (let mark = Math.ceil(view.from / step) * step; mark <= view.to; mark += step) {
    const x = Math.round(xOf(mark)) + 0.5;
    pen.strokeStyle = colours.line;
    pen.globalAlpha = 0.6;
    pen.beginPath();
    pen.moveTo(x, AXIS - 4);
    pen.lineTo(x, layout.height);
    pen.stroke();
    pen.globalAlpha = 1;
    pen.fillStyle = colours.muted;
    pen.textAlign = "center";
    pen.fillText(timeText(mark, digits), Math.max(LEFT + 8, Math.min(x, layout.width - 24)), AXIS / 2);
    pen.textAlign = "start";
  }
}

// The whole run, small: how much there is at each time, the faults, and what part of it is shown.
function drawOverview() {
  const { pen, width, height } = fit(overview);
  const inner = width - LEFT - RIGHT, place = (time) => LEFT + (time / runEnd) * inner;
  const bins = new Float64Array(Math.max(1, Math.floor(inner / 2))), lost = new Float64Array(bins.length);
  for (const item of shown) {
    const bin = Math.min(bins.length - 1, Math.floor((item.at / runEnd) * bins.length));
    bins[bin] += 1;
    if (item.lost) lost[bin] += 1;
  }
  const most = bins.reduce((max, count) => Math.max(max, count), 1);
  const size = (count) => count === 0 ? 0 : Math.max(2, (Math.log1p(count) / Math.log1p(most)) * (height - 16));
  pen.fillStyle = colours.faults;
  for (const band of bands) pen.fillRect(place(band.from), height - 5, Math.max(1, place(band.until) - place(band.from)), 3);
  bins.forEach((count, at) => {
    pen.fillStyle = colours.lane;
    pen.fillRect(LEFT + at * 2, height - 7 - size(count), 1.5, size(count));
    pen.fillStyle = colours.lost;
    pen.fillRect(LEFT + at * 2, height - 7 - size(lost[at]), 1.5, size(lost[at]));
  });
  pen.fillStyle = colours.accent;
  pen.globalAlpha = 0.15;
  const [from, to] = [place(view.from), place(view.to)];
  pen.fillRect(from, 1, Math.max(2, to - from), height - 2);
  pen.globalAlpha = 1;
  pen.strokeStyle = colours.accent;
  pen.strokeRect(from + 0.5, 1.5, Math.max(2, to - from) - 1, height - 3);
  pen.fillStyle = colours.muted;
  pen.fillText("whole run", 10, height / 2);
}
