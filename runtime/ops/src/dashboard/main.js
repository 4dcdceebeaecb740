// What is asked when, and what is shown of it. The page asks beside itself, one question of a sort at a time.

/** Pauses, in milliseconds: between two questions, and after one that failed; each failure doubles it. */
const PAUSE = 1000;
const PAUSE_MAX = 10000;
/** How long an answer may take. */
const ANSWER_WITHIN = 12000;
/** Actors of a tree that are asked for. */
const ACTORS_MAX = 2000;
/** Names, groups, and patterns of topics, that are asked for. */
const NAMES_MAX = 500;
/** Events that the page keeps and shows. */
const EVENTS_KEPT = 512;
const EVENTS_SHOWN = 200;

const seen = { life: null, events: [], last: 0, lost: 0, kept: true, failures: 0, since: null, paused: false, turns: 0 };

/** The node is not there, or refuses; all other errors are this page's own. */
class NoAnswer extends Error {}

async function ask(path) {
  const asking = fetch(path, { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(ANSWER_WITHIN) });
  const [answer, said] = await asking.then((answer) => answer.json().then((said) => [answer, said], () => [answer, null]))
    .catch((error) => { throw new NoAnswer(error.message); });
  if (answer.ok && said) return said;
  throw new NoAnswer(said && said.error ? said.error : "the answer has the status " + answer.status);
}

/** One turn: what changes each second, the events, and in turn the tree and the names. */
async function look() {
  const overview = await ask("v1/overview");
  const life = overview.status.node + " " + overview.status.since;
  if (life !== seen.life) {
    forget();
    Object.assign(seen, { life, events: [], last: 0, lost: 0 });
  }
  learn(overview);
  show(overview);
  const more = await ask("v1/events?after=" + seen.last);
  seen.kept = more.kept;
  seen.lost += seen.last > 0 ? more.lost : 0;
  seen.last = more.last;
  seen.events = seen.events.concat(more.events).slice(-EVENTS_KEPT);
  showEvents();
  // Counted before: what a node does not answer, as one of an older version, is no reason to ask for nothing else.
  seen.turns += 1;
  if (seen.turns % 2 === 1) {
    const answer = await ask("v1/actors?max=" + ACTORS_MAX);
    Object.assign(tree, { actors: answer.actors, leftOut: answer.left_out, silent: answer.silent_workers });
    const numbers = new Set(answer.actors.map((actor) => actor.number));
    for (const number of tree.opened.keys()) if (!numbers.has(number)) tree.opened.delete(number);
  } else {
    const [names, groups] = [await ask("v1/names?max=" + NAMES_MAX), await ask("v1/groups?max=" + NAMES_MAX)];
    const topics = await ask("v1/topics?max=" + NAMES_MAX).catch((error) => { if (error instanceof NoAnswer) return null; throw error; });
    showNames(names, groups, topics);
  }
  showTree();
}

function show(overview) {
  showStatus(overview);
  showTiles(overview);
  showMembers(overview);
  showWorkers(overview);
  hotTable.show(overview.hot);
  typesTable.show(overview.types);
  showPeers(overview);
  showRestarts(overview);
  tree.hot = new Map(overview.hot.map((actor) => [actor.number, actor.busy]));
}

function showStatus({ status, at: now }) {
  say(at("node"), visible(status.node));
  document.title = visible(status.node) + " · Odeon";
  const phase = status.phase === "up" ? "good" : status.phase === "down" ? "bad" : "warn";
  const pills = [[visible(status.phase), phase], status.ready ? ["ready", "good"] : [visible(status.waits_for ?? "not ready"), "warn"]];
  each(at("state"), pills, ([text]) => text, ([text]) => el("span", "pill", text), (made, [, tone]) => kind(made, "pill " + tone));
  const facts = [status.addr, visible((status.program + " " + status.version).trim()), "up for " + span(now - status.since), "life " + status.incarnation];
  each(at("facts"), facts.map((text, number) => ({ text, number })), (fact) => fact.number, () => el("span", "text"), (made, fact) => say(made, fact.text));
}

function showEvents() {
  const wanted = at("events-filter").value.trim().toLowerCase();
  const grave = at("events-grave").checked;
  const fits = (event) => (!grave || event.level !== "INFO") && (!wanted || (event.text + " " + event.target).toLowerCase().includes(wanted));
  const shown = seen.events.filter(fits).slice(-EVENTS_SHOWN).reverse();
  const list = at("event-list");
  each(list, shown, (event) => event.number, (event) => {
    const tone = event.level === "ERROR" ? "bad" : event.level === "WARN" ? "warn" : "";
    const when = el("time", "", clock(event.at));
    when.dateTime = new Date(event.at * 1000).toISOString();
    when.title = new Date(event.at * 1000).toLocaleString("en-GB");
    return el("li", "", when, el("span", "", el("span", "pill " + tone, visible(event.level.toLowerCase()))),
      el("span", "text", visible(event.text), el("span", "target", visible(event.target))));
  }, () => {});
  whenEmpty(list, shown.length === 0, seen.kept ? "No event fits." : "This program has a log of its own, so that no events are kept here.");
  const words = [plural(seen.events.length, "event", "events")];
  if (shown.length < seen.events.length) words.push(count(shown.length) + " shown");
  if (seen.lost) words.push(count(seen.lost) + " missed");
  say(at("events-count"), words.join(", "));
}

function showPulse() {
  const failed = seen.failures > 0;
  document.body.classList.toggle("stale", failed);
  kind(at("pulse"), seen.paused ? "" : failed ? "late" : "live");
  say(at("pulse"), seen.paused ? "paused" : failed ? "no answer" : "live");
}

/** Asks for as long as the page is there; not while nobody can see it. */
async function run() {
  for (;;) {
    if (!seen.paused && !document.hidden) {
      try {
        await look();
        seen.failures = 0;
        seen.since = null;
        at("trouble").hidden = true;
      } catch (error) {
        if (!(error instanceof NoAnswer)) complain(String(error.stack ?? error));
        seen.failures += 1;
        seen.since ??= Date.now() / 1000;
        say(at("trouble"), "The node has not answered since " + clock(seen.since) + ": " + visible(error.message).replace(/[.?!]+$/, "") + ". What stands below is as of then; it is asked again.");
        at("trouble").hidden = false;
      }
      showPulse();
      document.body.dataset.turns = seen.turns;
    }
    const pause = Math.min(PAUSE_MAX, PAUSE * 2 ** Math.min(seen.failures, 5));
    await new Promise((done) => setTimeout(done, pause));
  }
}

const THEMES = ["system", "light", "dark"];
const dark = matchMedia("(prefers-color-scheme: dark)");

function setTheme(theme) {
  document.body.dataset.theme = theme;
  const shade = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
  document.documentElement.dataset.shade = shade;
  say(at("theme"), "Theme: " + theme);
}

function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(document.body.dataset.theme) + 1) % THEMES.length]);
}

function togglePause() {
  seen.paused = !seen.paused;
  at("pause").setAttribute("aria-pressed", String(seen.paused));
  say(at("pause"), seen.paused ? "Go on" : "Pause");
  showPulse();
}

function goTo(id) {
  at(id).scrollIntoView({ block: "start" });
  at(id).focus({ preventScroll: true });
}

const SECTIONS = ["cluster", "workers", "hot", "restarts", "types", "peers", "names", "actors", "events"];
const KEYS = {
  p: togglePause, t: nextTheme, "?": () => at("keys").showModal(),
  "/": () => at("events-filter").focus(), f: () => at("actors-filter").focus(),
};
SECTIONS.forEach((id, number) => { KEYS[number + 1] = () => goTo(id); });

document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement && event.target.type === "search";
  if (typing && event.key === "Escape") {
    event.target.value = "";
    event.target.dispatchEvent(new Event("input"));
    event.target.blur();
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || at("keys").open || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
at("pause").addEventListener("click", togglePause);
at("theme").addEventListener("click", nextTheme);
at("keys-close").addEventListener("click", () => at("keys").close());
at("help").addEventListener("click", () => at("keys").showModal());
at("events-filter").addEventListener("input", showEvents);
at("events-grave").addEventListener("change", showEvents);
dark.addEventListener("change", () => setTheme(document.body.dataset.theme));

const told = new URLSearchParams(location.hash.slice(1));
setTheme(THEMES.includes(told.get("theme")) ? told.get("theme") : "system");
run();
