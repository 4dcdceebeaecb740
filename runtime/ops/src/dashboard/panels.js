// The panels: tiles, members by zone, workers, tables that can be sorted.

/** A tile for each figure that is looked at first. */
function showTiles(overview) {
  const { status, counts, types, workers, members } = overview;
  const handled = pace("handled");
  const looked = workers.filter((worker) => worker.busy !== null);
  const busy = looked.length ? looked.reduce((sum, worker) => sum + worker.busy, 0) / looked.length : null;
  const waiting = types.reduce((sum, type) => sum + type.depth, 0);
  const oldest = types.reduce((most, type) => Math.max(most, type.age_max ?? 0), 0);
  const lagging = members.filter((member) => member.leaving).length;
  const tiles = [
    { name: "Members", figure: count(status.members + 1), beside: lagging ? plural(lagging, "leaves", "leave") : "this node included", of: status.members + 1 },
    { name: "Actors", figure: count(status.actors), beside: plural(types.length, "type", "types"), of: status.actors },
    { name: "Messages", figure: rate(handled), beside: count(status.messages_handled) + " in all", of: handled },
    { name: "Workers busy", figure: share(busy), beside: plural(workers.length + overview.workers_left_out, "worker", "workers"), of: busy, top: 1, grade: busy >= 0.95 ? "bad" : busy >= 0.8 ? "warn" : "" },
    { name: "Waiting", figure: count(waiting), beside: oldest > 0 ? "the oldest for " + time(oldest) : "in mailboxes", of: waiting, grade: oldest >= 10 ? "bad" : oldest >= 1 ? "warn" : "" },
    { name: "Asks to others", figure: count(status.remote_asks), beside: "wait for an answer", of: status.remote_asks },
    { name: "Restarts", figure: count(counts.restarts), beside: plural(counts.failures, "failure", "failures"), of: counts.restarts },
  ];
  each(at("tiles"), tiles, (tile) => tile.name, (tile) => {
    const made = el("li", "tile", el("span", "label", tile.name), el("span", "figure"), el("span", "beside"));
    made.append((made.spark = spark()));
    return made;
  }, (made, tile) => {
    kind(made, "tile " + (tile.grade ?? ""));
    say(made.children[1], tile.figure);
    say(made.children[2], tile.beside);
    made.spark.show(trail(tile.name, tile.of ?? null), tile.top ?? 0);
  });
}

/** Members by zone; those that have gone stay for a minute. */
function showMembers(overview) {
  const own = memberKey(overview.members[0]);
  const peers = new Map(overview.peers.map((peer) => [peer.name + " " + peer.incarnation, peer]));
  const gone = [...past.gone.values()].map(({ member, at: since }) => ({ member, gone: overview.at - since }));
  const all = overview.members.map((member) => ({ member, gone: null })).concat(gone);
  const zones = new Map();
  for (const one of all) {
    const zone = one.member.zone;
    if (!zones.has(zone)) zones.set(zone, []);
    zones.get(zone).push(one);
  }
  const groups = [...zones].sort(([one], [other]) => (one < other ? -1 : 1));
  each(at("zones"), groups, ([zone]) => "zone " + zone, ([zone]) =>
    el("div", "zone", el("h3", "", zone ? el("span", "", "zone ", foreign(zone)) : el("span", "", "no zone"), el("span", "")), el("ul", "")),
  (made, [, members]) => {
    say(made.firstChild.lastChild, plural(members.filter((one) => one.gone === null).length, "node", "nodes"));
    each(made.lastChild, members, (one) => memberKey(one.member), makeMember, (card, one) =>
      updateMember(card, one, memberKey(one.member) === own, peers.get(memberKey(one.member))));
  });
  const left = overview.members_left_out;
  say(at("cluster-count"), plural(overview.status.members + 1, "node", "nodes") + " in " + plural(zones.size, "zone", "zones") + (left ? ", " + count(left) + " not shown" : ""));
}

function makeMember({ member }) {
  return el("li", "member", el("span", "name", foreign(member.name)), el("span", "pill"), el("div", "roles"), el("span", "more"));
}

function updateMember(card, { member, gone }, isSelf, peer) {
  const apart = !isSelf && gone === null && (!peer || peer.up_for === null);
  const [grade, word, tone] = gone !== null ? ["gone", "gone for " + span(gone), "bad"]
    : isSelf ? ["self", "this node", "accent"]
    : member.leaving ? ["leaving", "leaving", "warn"]
    : apart ? ["apart", "no connection", "warn"]
    : ["", peer.round_trip === null ? "connected" : time(peer.round_trip), "good"];
  kind(card, "member " + grade);
  kind(card.children[1], "pill " + tone);
  say(card.children[1], word);
  card.children[1].title = peer && peer.round_trip !== null ? "round trip" : "";
  each(card.children[2], member.roles, (role) => role, (role) => el("span", "tag", foreign(role)), () => {});
  const words = [member.addr];
  if (member.version) words.push("version " + visible(member.version));
  if (member.load) words.push("load " + share(member.load / 1000));
  say(card.children[3], words.join(" · "));
  card.title = "life " + member.incarnation;
}

function showWorkers(overview) {
  const workers = [...overview.workers].sort((one, other) => one.number - other.number);
  each(at("worker-list"), workers, (worker) => worker.number, (worker) => {
    const made = el("li", "worker", el("span", "", "worker " + worker.number));
    made.append((made.bar = meter()), el("span", "share"), el("span", "more"));
    return made;
  }, (made, worker) => {
    made.bar.show(worker.busy);
    say(made.children[2], share(worker.busy));
    say(made.children[3], worker.blocked ? "blocked " + plural(worker.blocked, "time", "times") : "");
    made.title = worker.busy === null ? "nobody looks at this one: it is the endpoint's, or for actors that block" : "busy since its start: " + share(worker.busy_ever);
  });
  const silent = overview.silent_workers;
  whenEmpty(at("worker-list"), workers.length === 0, "no workers");
  say(at("workers-count"), silent ? plural(silent, "does", "do") + " not answer" : "share of the last 13 s at work");
  kind(at("workers-count"), silent ? "bad" : "");
}

/** A table whose columns are told by: head, whether a number, what to sort by, how to make and fill a cell. */
function table(id, columns, sortedBy) {
  const body = el("tbody", "");
  const heads = columns.map((column, number) => {
    const head = el("th", column.number ? "number" : "");
    head.scope = "col";
    if (!column.by) {
      head.append(column.head);
      return head;
    }
    const button = el("button", "", column.head);
    button.type = "button";
    button.addEventListener("click", () => {
      made.down = made.by === number ? !made.down : Boolean(column.number);
      made.by = number;
      made.show(made.items);
    });
    head.append(button);
    return head;
  });
  const made = at(id);
  made.append(el("thead", "", el("tr", "", ...heads)), body);
  Object.assign(made, { by: sortedBy, down: true, items: [], key: null, empty: "none" });
  made.show = (items) => {
    made.items = items;
    heads.forEach((head, number) => {
      if (number === made.by) head.setAttribute("aria-sort", made.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const by = columns[made.by].by;
    const order = (one, other) => (one < other ? -1 : one > other ? 1 : 0);
    const sorted = [...items].sort((one, other) => (made.down ? -1 : 1) * order(by(one), by(other)) || order(made.key(one), made.key(other)));
    each(body, sorted, made.key, () => {
      const row = el("tr", "");
      for (const column of columns) row.append(el("td", column.number ? "number" : "", column.make ? column.make() : null));
      return row;
    }, (row, item) => columns.forEach((column, number) => column.fill(row.children[number], item)));
    if (items.length === 0 && !body.firstChild) {
      const cell = el("td", "empty", made.empty);
      cell.colSpan = columns.length;
      made.lineOfNone = el("tr", "", cell);
      body.append(made.lineOfNone);
    } else if (items.length > 0 && made.lineOfNone) {
      made.lineOfNone.remove();
      made.lineOfNone = null;
    }
  };
  return made;
}

/** A column with a number in words; zero is faint, and what is above a bound stands out. */
function figure(head, value, words, grade) {
  return {
    head, number: true, by: (item) => value(item) ?? -1,
    fill: (cell, item) => {
      const now = value(item);
      const tone = (now !== null && grade && grade(now)) || (now ? "" : "zero");
      kind(cell, "number " + tone);
      say(cell, now === null || now === undefined ? "–" : words(now));
    },
  };
}

const bad = (bound) => (value) => (value >= bound ? "bad" : "");
const oldAge = (age) => (age >= 10 ? "bad" : age >= 1 ? "warn" : "");

/** An actor: its names or id, and below its type. */
function who(cell, item) {
  const names = [item.id ?? "", ...item.names.map((name) => '"' + name + '"')].filter(Boolean).join(" ");
  const first = visible(names || shortKind(item.kind)) + " #" + item.number;
  say(cell.children[0], first);
  say(cell.children[1], visible(names ? shortKind(item.kind) : ""));
  cell.title = visible(item.kind);
}

const whoCell = () => {
  const parts = document.createDocumentFragment();
  parts.append(el("div", "who text"), el("div", "under text"));
  return parts;
};

const hotTable = table("hot-table", [
  { head: "Actor", by: (actor) => actor.kind + actor.number, make: whoCell, fill: who },
  {
    head: "Busy", number: true, by: (actor) => actor.busy ?? -1,
    make: () => el("div", "inline", meter(), el("span", "")),
    fill: (cell, actor) => {
      cell.firstChild.firstChild.show(actor.busy);
      say(cell.firstChild.lastChild, share(actor.busy));
    },
  },
  figure("Waiting", (actor) => actor.waiting, count),
  figure("For", (actor) => actor.age, time, oldAge),
  figure("Restarts", (actor) => actor.restarts, count),
  figure("Worker", (actor) => actor.worker, String),
], 1);
hotTable.key = (actor) => actor.number;
hotTable.empty = "No actor was found at work, and nothing waits.";

const stripColumn = (head, of) => ({
  head, by: (type) => type[of + "_p99"] ?? -1, make: strip,
  fill: (cell, type) => cell.firstChild.show(type[of + "_p50"], type[of + "_p90"], type[of + "_p99"], type[of + "_max"]),
});

const typesTable = table("types-table", [
  {
    head: "Actor type", by: (type) => type.kind, make: () => el("div", "who text"),
    fill: (cell, type) => {
      say(cell.firstChild, visible(shortKind(type.kind)));
      cell.title = visible(type.kind);
    },
  },
  figure("Live", (type) => type.live, count),
  figure("Messages", (type) => pace("type " + type.kind), rate),
  figure("Waiting", (type) => type.depth, count),
  figure("Most", (type) => type.depth_max, count),
  figure("Oldest", (type) => type.age_max, time, oldAge),
  stripColumn("Handler p50 · p99", "handler"),
  stripColumn("Mailbox p50 · p99", "queue"),
  figure("Lost", (type) => type.dropped + type.undelivered + type.skipped, count),
  figure("Restarts", (type) => type.restarts, count),
  figure("Failures", (type) => type.failures, count, bad(1)),
], 2);
typesTable.key = (type) => type.kind;
typesTable.empty = "No actor has started.";

const peersTable = table("peers-table", [
  {
    head: "Peer", by: (peer) => peer.name, make: whoCell,
    fill: (cell, peer) => {
      say(cell.children[0], visible(peer.name || "unknown"));
      say(cell.children[1], peer.addr);
      cell.title = "life " + peer.incarnation;
    },
  },
  {
    head: "Connection", by: (peer) => peer.up_for ?? -1, make: () => el("span", "pill"),
    fill: (cell, peer) => {
      kind(cell.firstChild, peer.up_for === null ? "pill warn" : "pill good");
      say(cell.firstChild, peer.up_for === null ? "none" : "for " + span(peer.up_for));
      cell.title = plural(peer.connections, "connection", "connections") + " so far";
    },
  },
  figure("Round trip", (peer) => peer.round_trip, time),
  figure("Out", (peer) => pace("out " + peerKey(peer)), (value) => bytes(value) + "/s"),
  figure("In", (peer) => pace("in " + peerKey(peer)), (value) => bytes(value) + "/s"),
  figure("Frames", (peer) => pace("frames " + peerKey(peer)), rate),
  { head: "Lanes", make: laneCells, fill: (cell, peer) => cell.firstChild.show(peer.lanes) },
  figure("Waits", (peer) => peer.lanes.reduce((sum, lane) => sum + lane.waiting_bytes, 0), bytes),
  figure("Senders held", (peer) => peer.lanes.reduce((sum, lane) => sum + lane.waiting_senders, 0), count, bad(1)),
  figure("Batch p50", (peer) => peer.batch_bytes_p50, bytes),
  figure("Window", (peer) => peer.congestion_window, bytes),
  figure("Wait p50", (peer) => peer.lane_wait_p50, time),
  figure("Wait p99", (peer) => peer.lane_wait_p99, time),
  figure("Packets lost", (peer) => (peer.packets_sent ? peer.packets_lost / peer.packets_sent : null), share, (part) => (part >= 0.02 ? "bad" : "")),
  figure("Reconnects", (peer) => Math.max(0, peer.connections - 1), count),
], 0);
peersTable.down = false;
peersTable.key = peerKey;
peersTable.empty = "No other node is known.";

/** A column of texts that nodes have chosen. */
function words(head, value) {
  return { head, by: value, make: () => el("div", "who text"), fill: (cell, item) => say(cell.firstChild, visible(value(item))) };
}

const namesTable = table("names-table", [words("Name", (it) => it.name), words("Node of its actor", (it) => it.node)], 0);
namesTable.down = false;
namesTable.key = (it) => it.name;
namesTable.empty = "No actor has a name in the whole cluster.";

const groupsTable = table("groups-table", [words("Group", (it) => it.name), figure("Actors", (it) => it.members, count)], 0);
groupsTable.down = false;
groupsTable.key = (it) => it.name;
groupsTable.empty = "No actor is in a group of the cluster.";

const topicsTable = table("topics-table", [
  words("Topics listened to", (it) => it.pattern), words("Messages", (it) => it.message), words("On", (it) => it.nodes.join(", ") + (it.more_nodes ? " and " + count(it.more_nodes) + " more" : "")),
  figure("Here", (it) => it.subscriptions, count), figure("Missed", (it) => it.missed, count),
], 0);
topicsTable.down = false;
// A pattern has no white space.
topicsTable.key = (it) => it.pattern + " " + it.message;
topicsTable.empty = "Nobody in the cluster listens to a topic.";

/** Topics are null where the node is of a version that does not list them. */
function showNames({ names, left_out: namesLeft }, { groups, left_out: groupsLeft }, topics) {
  namesTable.show(names);
  groupsTable.show(groups);
  topicsTable.show(topics ? topics.topics : []);
  const left = namesLeft + groupsLeft + (topics ? topics.left_out : 0);
  const listened = topics ? plural(topics.topics.length + topics.left_out, "topic or pattern", "topics and patterns") + " listened to" : "topics are not told";
  say(at("names-count"), plural(names.length + namesLeft, "name", "names") + ", " + plural(groups.length + groupsLeft, "group", "groups") + ", " + listened
    + (left ? ", " + count(left) + " not shown: use odeon names, odeon groups and odeon topics" : ""));
}

function showPeers(overview) {
  peersTable.show(overview.peers);
  const up = overview.peers.filter((peer) => peer.up_for !== null).length;
  const left = overview.peers_left_out;
  say(at("peers-count"), plural(overview.peers.length + left, "peer", "peers") + ", " + up + " connected" + (left ? ", " + count(left) + " not shown" : ""));
}

function showRestarts(overview) {
  const { counts } = overview;
  const figures = [
    ["restarts", counts.restarts, false], ["failures", counts.failures, true], ["panics", counts.panics, true], ["blocked polls", counts.blocked, true],
    ["dropped", counts.dropped, true], ["undelivered", counts.undelivered, false], ["skipped asks", counts.skipped, false], ["retries", counts.retries, false],
    ["refused", counts.refused, true], ["unreadable", counts.decode_failures, true], ["tells failed", counts.tell_errors, false],
  ];
  each(at("counts"), figures, ([name]) => name, ([name]) => el("div", "", el("dt", "", name), el("dd", "")), (made, [, value, grave]) => {
    kind(made, grave && value > 0 ? "bad" : "");
    say(made.lastChild, count(value));
  });
  const restarted = overview.types.filter((type) => type.restarts + type.failures > 0)
    .sort((one, other) => other.restarts + other.failures - one.restarts - one.failures).slice(0, 16);
  each(at("restart-list"), restarted, (type) => type.kind, (type) => el("li", "", el("span", "text", visible(shortKind(type.kind))), el("span", "pill warn")),
    (made, type) => say(made.lastChild, plural(type.restarts, "restart", "restarts") + ", " + plural(type.failures, "failure", "failures")));
}
