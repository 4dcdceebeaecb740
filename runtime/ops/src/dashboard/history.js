// What was before: rates from two answers, and the last two minutes of a few figures.

/** Points of a series: two minutes at one a second. */
const POINTS_MAX = 120;

/** Members that are gone and still shown, and for how long, in seconds. */
const GONE_MAX = 32;
const GONE_FOR = 60;

const past = { overview: null, series: new Map(), gone: new Map(), rates: new Map() };

/** Forgets all: another life of the node counts from zero. */
function forget() {
  past.overview = null;
  past.series.clear();
  past.gone.clear();
  past.rates.clear();
}

/** How fast figures grow, from this answer and the one before. */
function learn(overview) {
  const before = past.overview;
  const fresh = new Map();
  if (before && overview.at > before.at) {
    const seconds = overview.at - before.at;
    const note = (key, now, then) => fresh.set(key, Math.max(0, now - then) / seconds);
    note("handled", overview.status.messages_handled, before.status.messages_handled);
    const types = new Map(before.types.map((type) => [type.kind, type]));
    for (const type of overview.types) {
      const old = types.get(type.kind);
      note("type " + type.kind, type.handled, old ? old.handled : 0);
    }
    const peers = new Map(before.peers.map((peer) => [peerKey(peer), peer]));
    for (const peer of overview.peers) {
      const old = peers.get(peerKey(peer));
      if (!old) continue;
      note("out " + peerKey(peer), peer.bytes_sent, old.bytes_sent);
      note("in " + peerKey(peer), peer.bytes_received, old.bytes_received);
      note("frames " + peerKey(peer), peer.frames_sent + peer.frames_received, old.frames_sent + old.frames_received);
    }
    const here = new Set(overview.members.map(memberKey));
    if (overview.members_left_out === 0) {
      for (const member of before.members) if (!here.has(memberKey(member))) past.gone.set(memberKey(member), { member, at: overview.at });
    }
    for (const [key, { at: since }] of past.gone) {
      if (here.has(key) || overview.at - since > GONE_FOR || past.gone.size > GONE_MAX) past.gone.delete(key);
    }
  }
  past.rates = fresh;
  past.overview = overview;
}

/** How fast a figure grows in a second; nothing before two answers. */
function pace(key) {
  return past.rates.get(key) ?? null;
}

/** The points of a series, with one more. */
function trail(key, value) {
  const points = past.series.get(key) ?? [];
  if (value !== null) points.push(value);
  if (points.length > POINTS_MAX) points.shift();
  past.series.set(key, points);
  return points;
}

function peerKey(peer) {
  return peer.name + " " + peer.addr + " " + peer.incarnation;
}

function memberKey(member) {
  return member.name + " " + member.incarnation;
}
