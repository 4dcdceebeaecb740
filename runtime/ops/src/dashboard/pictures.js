// Small pictures: a line of the last two minutes, a share, times on a logarithmic scale, the lanes to a peer.

/** Points that have the whole width of a line at least. */
const FEW = 8;

/** A line over the last two minutes, the newest on the right. */
function spark() {
  const line = draw("polyline", { class: "line" });
  const area = draw("polygon", { class: "area" });
  const picture = draw("svg", { class: "spark", viewBox: "0 0 120 30", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" }, area, line);
  picture.show = (points, top) => {
    const most = 1.15 * Math.max(top, ...points, 1e-9);
    // The first points have the whole width: a minute and a half of nothing would hide them.
    const step = 120 / (Math.max(FEW, points.length) - 1);
    const spot = (value, place) => (120 - (points.length - 1 - place) * step).toFixed(1) + "," + (28 - 26 * value / most).toFixed(1);
    const spots = points.map(spot);
    line.setAttribute("points", spots.join(" "));
    const left = (120 - (points.length - 1) * step).toFixed(1);
    area.setAttribute("points", spots.length > 1 ? left + ",30 " + spots.join(" ") + " 120,30" : "");
  };
  return picture;
}

/** A share from 0 to 1. */
function meter() {
  const fill = el("i", "");
  const made = el("div", "meter", fill);
  made.show = (part) => {
    fill.style.width = Math.min(100, Math.max(0, (part ?? 0) * 100)).toFixed(1) + "%";
    kind(made, "meter" + (part >= 0.95 ? " bad" : part >= 0.8 ? " warn" : ""));
  };
  return made;
}

/** From 1 µs to 10 s, on 100. */
function place(seconds) {
  const decades = Math.log10(Math.max(1e-6, Math.min(10, seconds))) + 6;
  return decades * 100 / 7;
}

/** Percentiles on a scale: from the median to 99 of 100 thick, to the longest thin. */
function strip() {
  const axis = draw("line", { class: "axis", x1: 0, x2: 100, y1: 8, y2: 8 });
  const ticks = [0, 3, 6].map((decade) => draw("line", { class: "axis", x1: decade * 100 / 7, x2: decade * 100 / 7, y1: 4, y2: 12 }));
  const reach = draw("line", { class: "reach", y1: 8, y2: 8 });
  const end = draw("line", { class: "end", y1: 5, y2: 11 });
  const core = draw("line", { class: "core", y1: 8, y2: 8 });
  const mid = draw("circle", { class: "mid", cy: 8, r: 3.2 });
  const picture = draw("svg", { viewBox: "0 0 100 16", preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" }, axis, ...ticks, reach, end, core, mid);
  const text = el("span", "");
  const made = el("div", "strip", picture, text);
  made.show = (p50, p90, p99, max) => {
    const known = p50 !== null && p50 !== undefined;
    for (const part of [reach, end, core, mid]) part.setAttribute("visibility", known ? "visible" : "hidden");
    if (!known) {
      say(text, "no sample yet");
      made.title = "";
      return;
    }
    const [low, high, most] = [place(p50), place(p99), place(max)];
    for (const [line, from, to] of [[core, low, high], [reach, high, most], [end, most, most]]) {
      line.setAttribute("x1", from.toFixed(1));
      line.setAttribute("x2", to.toFixed(1));
    }
    mid.setAttribute("cx", low.toFixed(1));
    const words = time(p50) + " · " + time(p99);
    if (text.textContent !== words) text.replaceChildren(el("b", "", time(p50)), " · " + time(p99));
    made.title = "p50 " + time(p50) + ", p90 " + time(p90) + ", p99 " + time(p99) + ", longest " + time(max);
  };
  return made;
}

/** Lanes to a peer, each as full as it is: of 4 MiB, which is how much waits in one by default. */
function laneCells() {
  const made = el("div", "lanes");
  made.show = (lanes) => {
    each(made, lanes.map((lane, number) => ({ lane, number })), (item) => item.number,
      () => el("span", "lane", el("i", "")),
      (cell, { lane, number }) => {
        kind(cell, lane.waiting_senders > 0 ? "lane stalled" : "lane");
        const part = lane.waiting_bytes / 4194304;
        cell.firstChild.style.height = (lane.waiting_bytes > 0 ? Math.max(12, Math.min(100, part * 100)) : 0).toFixed(0) + "%";
        cell.title = "lane " + number + ": " + bytes(lane.waiting_bytes) + " and " + plural(lane.waiting_senders, "sender", "senders") +
          " wait, " + bytes(lane.bytes_sent) + " sent, " + bytes(lane.bytes_received) + " received, stalled " + count(lane.stalls) + " times for " + time(lane.stalled);
      });
  };
  return made;
}
