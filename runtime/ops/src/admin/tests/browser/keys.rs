//! The dashboard by keyboard, in the light and in the dark.

use serde_json::Value;

use super::{tab::Tab, *};

/// What the keyboard is at.
const FOCUS: &str = "document.activeElement.id";

/// Whether the page has stopped asking.
const IS_PAUSED: &str = "document.getElementById('pause').getAttribute('aria-pressed')";

const SHADE: &str = "document.documentElement.dataset.shade";
const IS_HELPING: &str = "document.getElementById('keys').open";
const ROW: &str = "document.activeElement.getAttribute('role') === 'treeitem' && document.activeElement.textContent";
const IS_OPEN: &str = "document.activeElement.getAttribute('aria-expanded')";
const LEVEL: &str = "document.activeElement.getAttribute('aria-level')";
const ROWS: &str = "document.querySelectorAll('#tree [role=treeitem]').length";

/// Texts that are hard to read, by the contrast with what is behind them (WCAG 2.2, 1.4.3): each with its ratio.
const HARD_TO_READ: &str = r#"(() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    paint.clearRect(0, 0, 1, 1);
    for (const colour of colours) { paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); }
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => colour.map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const found = new Set();
  for (const one of document.querySelectorAll("body *")) {
    const says = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const style = getComputedStyle(one);
    if (!says || one.closest("svg") || !one.getClientRects().length || style.visibility === "hidden") continue;
    const behind = [];
    for (let it = one; it; it = it.parentElement) behind.unshift(getComputedStyle(it).backgroundColor);
    const [text, ground] = [light(over([...behind, style.color])), light(over(behind))];
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    if (ratio < 4.5) found.add(one.tagName + "." + one.className + " " + ratio.toFixed(2));
  }
  return [...found].join(", ");
})()"#;

#[tokio::test]
async fn the_dashboard_is_usable_by_keyboard_in_the_light_and_in_the_dark() {
    let Some(browser) = browser() else { return };
    let look = async |dir: &Path, url: &str| {
        let mut tab = Tab::open(&browser, dir, url).await;
        tab.shows("Number(document.body?.dataset.turns) > 1", true).await;
        panels_are_a_digit_away(&mut tab).await;
        one_stops_the_page_and_finds_the_keys(&mut tab).await;
        one_filters(&mut tab).await;
        one_sorts_a_table(&mut tab).await;
        one_walks_the_tree(&mut tab).await;
        it_is_readable_in_each_shade(&mut tab).await;
        tab.shows("document.getElementById('errors').textContent", "").await;
        tab.close().await;
    };
    show("keys", Events::default(), look).await;
}

async fn panels_are_a_digit_away(tab: &mut Tab) {
    // From the top one can pass over what is above the figures.
    tab.press(&["Tab"]).await;
    tab.shows("document.activeElement.getAttribute('href')", "#cluster").await;
    let panels =
        ["cluster", "workers", "hot", "restarts", "types", "peers", "names", "actors", "events"];
    for (panel, key) in panels.into_iter().zip(["1", "2", "3", "4", "5", "6", "7", "8", "9"]) {
        tab.press(&[key]).await;
        tab.shows(FOCUS, panel).await;
    }
}

async fn one_stops_the_page_and_finds_the_keys(tab: &mut Tab) {
    tab.press(&["p"]).await;
    tab.shows(IS_PAUSED, "true").await;
    tab.shows("document.getElementById('pulse').textContent", "paused").await;
    tab.press(&["p"]).await;
    tab.shows(IS_PAUSED, "false").await;
    tab.press(&["?"]).await;
    tab.shows(IS_HELPING, true).await;
    // What is behind the dialog takes no keys.
    tab.press(&["p", "Escape"]).await;
    tab.shows(IS_HELPING, false).await;
    tab.shows(IS_PAUSED, "false").await;
    tab.press(&["?", "Enter"]).await;
    tab.shows(IS_HELPING, false).await;
}

async fn one_filters(tab: &mut Tab) {
    let all = tab.ask(ROWS).await;
    tab.press(&["f"]).await;
    tab.shows(FOCUS, "actors-filter").await;
    // Letters that are keys elsewhere are letters here.
    tab.press(&["t", "i", "l", "l", "s", "/", "t", "w", "o"]).await;
    tab.shows("document.getElementById('actors-filter').value", "tills/two").await;
    // The one that fits, and the supervisor above it.
    tab.shows(ROWS, 2).await;
    tab.press(&["Escape"]).await;
    tab.shows(ROWS, all).await;
    tab.press(&["/"]).await;
    tab.shows(FOCUS, "events-filter").await;
    tab.press(&["p", "Escape"]).await;
    tab.shows(
        "document.getElementById('events-filter').value + document.activeElement.tagName",
        "BODY",
    )
    .await;
    tab.shows(IS_PAUSED, "false").await;
}

async fn one_sorts_a_table(tab: &mut Tab) {
    let sorted = "document.activeElement.parentElement.getAttribute('aria-sort')";
    // Its panel, what scrolls in it, the head of its first column, of its second one.
    tab.press(&["5", "Tab", "Tab"]).await;
    tab.shows("document.activeElement.textContent", "Actor type").await;
    tab.press(&["Enter"]).await;
    tab.shows(sorted, "ascending").await;
    tab.press(&["Enter"]).await;
    tab.shows(sorted, "descending").await;
    tab.press(&["Tab", "Enter"]).await;
    tab.shows("document.activeElement.textContent", "Live").await;
    tab.shows(sorted, "descending").await;
}

async fn one_walks_the_tree(tab: &mut Tab) {
    // Its panel, the filter, the row that is next.
    tab.press(&["8", "Tab", "Tab", "Home"]).await;
    tab.shows("document.activeElement === document.getElementById('tree').firstElementChild", true)
        .await;
    let is_shop = |row: &Value| row.as_str().is_some_and(|row| row.contains("\"shop\""));
    let rows = tab.ask(ROWS).await.as_u64().unwrap();
    let mut steps = 0;
    while !is_shop(&tab.ask(ROW).await) {
        tab.press(&["ArrowDown"]).await;
        steps += 1;
        assert!(steps < rows, "no row is the supervisor's");
    }
    tab.shows(IS_OPEN, "true").await;
    tab.press(&["ArrowLeft"]).await;
    tab.shows(IS_OPEN, "false").await;
    tab.shows(ROWS, rows - 3).await;
    tab.press(&["Enter"]).await;
    tab.shows(IS_OPEN, "true").await;
    tab.press(&[" "]).await;
    tab.shows(IS_OPEN, "false").await;
    tab.press(&["ArrowRight"]).await;
    tab.shows(IS_OPEN, "true").await;
    let level = tab.ask(LEVEL).await;
    tab.press(&["ArrowRight"]).await;
    assert_ne!(tab.ask(LEVEL).await, level, "its first child");
    tab.press(&["ArrowDown", "ArrowDown", "ArrowLeft"]).await;
    assert!(is_shop(&tab.ask(ROW).await), "back from a child to the supervisor");
    tab.press(&["End"]).await;
    tab.shows("document.activeElement === document.getElementById('tree').lastElementChild", true)
        .await;
    // The row stays the one to come back to.
    let number = "document.activeElement.dataset.number";
    let row = tab.ask(number).await;
    assert!(row.is_string(), "{row}");
    tab.press(&["1", "8", "Tab", "Tab"]).await;
    tab.shows(number, row).await;
}

async fn it_is_readable_in_each_shade(tab: &mut Tab) {
    let ground = "getComputedStyle(document.body).backgroundColor";
    let mut grounds = Vec::new();
    // As the system prefers, and when that changes.
    for scheme in ["light", "dark"] {
        tab.prefer(scheme).await;
        tab.shows(SHADE, scheme).await;
        tab.shows(HARD_TO_READ, "").await;
        grounds.push(tab.ask(ground).await);
    }
    assert_ne!(grounds[0], grounds[1]);
    // As the person says, whatever the system prefers.
    for (theme, shade) in [("light", "light"), ("dark", "dark"), ("system", "dark")] {
        tab.press(&["t"]).await;
        tab.shows("document.body.dataset.theme", theme).await;
        tab.shows(SHADE, shade).await;
    }
    tab.press(&["t"]).await;
    tab.shows(ground, grounds[0].clone()).await;
}
