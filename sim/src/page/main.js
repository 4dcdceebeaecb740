// The beginning: what the run was, then the filters, then the first picture.

function setTheme() {
  const dark = view.theme ? view.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  readColours();
  redraw();
}

function sayWhatItWas() {
  const title = `${data.scenario}, seed ${data.seed}`;
  document.title = `${title}: timeline`;
  byId("title").textContent = title;
  byId("verdict").textContent = data.passed ? "passed" : "failed";
  byId("verdict").classList.add(data.passed ? "good" : "bad");
  byId("facts").textContent = `${timeText(runEnd)} of virtual time · ${data.hosts.length} nodes · ${bands.length} faults · `
    + `schedule ${data.schedule} · hash ${data.hash.slice(0, 12)}`;
  byId("facts").title = data.hash;
  byId("problems").replaceChildren(...data.problems.map((text) => element("p", text)));
  const left = data.left_out, parts = [];
  const say = (count, words, kept) => { if (count) parts.push(`${count} ${words} (the last ${kept} are kept)`); };
  say(left.story, "of the oldest events of nodes, faults, notes and logs", data.kept.story);
  say(left.traffic, "of the oldest ends of frames and events of actors, handlers, timers and disks", data.kept.traffic);
  say(left.datagrams, "of the oldest ends of datagrams", data.kept.datagrams);
  if (left.hosts) parts.push(`the lanes of ${left.hosts} hosts`);
  byId("left-out").textContent = parts.length ? `Left out: ${parts.join("; ")}.` : "";
}

function bindControls() {
  byId("text").addEventListener("input", () => { view.text = byId("text").value; refilter(); });
  byId("text").addEventListener("keydown", (event) => { if (event.key === "Escape") canvas.focus(); });
  byId("lost").addEventListener("change", () => { view.lost = byId("lost").checked; refilter(); });
  byId("in").addEventListener("click", () => zoom(0.5));
  byId("out").addEventListener("click", () => zoom(2));
  byId("all").addEventListener("click", () => show(0, runEnd));
  byId("theme").addEventListener("click", () => {
    view.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    setTheme();
  });
  byId("help").addEventListener("click", () => {
    byId("keys").hidden = !byId("keys").hidden;
    byId("help").setAttribute("aria-expanded", String(!byId("keys").hidden));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setTheme);
  window.addEventListener("hashchange", () => { if (location.hash !== written) guarded(begin); });
  // At once: a picture that is drawn a frame late would be shown stretched.
  new ResizeObserver(() => guarded(draw)).observe(canvas);
}

function begin() {
  const [from, to] = readFragment();
  makeFilters();
  filter();
  setTheme();
  show(from, to);
  draw();
  settle();
}

guarded(() => {
  sayWhatItWas();
  bindControls();
  bindPointer();
  bindKeys();
  begin();
});
