// Figures and times as people read them.

/** Control characters, and those that turn a line of text round, are shown as what they are. */
function visible(text) {
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) =>
    "\\u{" + c.codePointAt(0).toString(16) + "}");
}

function count(number) {
  if (number < 10000) return Math.round(number).toLocaleString("en");
  for (const [unit, size] of [["k", 1e3], ["M", 1e6], ["G", 1e9]]) {
    if (number < size * 1000 || unit === "G") return digits(number / size) + " " + unit;
  }
}

function digits(number) {
  return number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

function rate(number) {
  if (number === null) return "–";
  return (number > 0 && number < 10 ? number.toFixed(1) : count(number)) + "/s";
}

function bytes(number) {
  if (number < 1024) return Math.round(number) + " B";
  for (const [unit, size] of [["KiB", 1024], ["MiB", 1048576], ["GiB", 1073741824], ["TiB", 1099511627776]]) {
    if (number < size * 1000 || unit === "TiB") return digits(number / size) + " " + unit;
  }
}

/** A time of a handler or a queue, in seconds. */
function time(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds === 0) return "0";
  for (const [unit, size] of [["ns", 1e-9], ["µs", 1e-6], ["ms", 1e-3]]) {
    if (seconds < size * 999.5) return digits(seconds / size) + " " + unit;
  }
  return seconds < 120 ? digits(seconds) + " s" : span(seconds);
}

/** A longer time. */
function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return whole + " s";
  if (whole < 3600) return Math.floor(whole / 60) + " min " + (whole % 60) + " s";
  if (whole < 86400) return Math.floor(whole / 3600) + " h " + Math.floor((whole % 3600) / 60) + " min";
  return Math.floor(whole / 86400) + " d " + Math.floor((whole % 86400) / 3600) + " h";
}

function share(part) {
  if (part === null || part === undefined) return "–";
  const percent = part * 100;
  return (percent > 0 && percent < 10 ? percent.toFixed(1) : percent.toFixed(0)) + " %";
}

/** The last part of a Rust path; an id with slashes stays whole. */
function shortKind(name) {
  return name.replace(/[A-Za-z0-9_]+::/g, "");
}

function plural(number, one, more) {
  return count(number) + " " + (number === 1 ? one : more);
}

function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}
