//! A tab of a browser without a window, which is told what a person would do: pressed keys are the browser's own, as if
//! they came from a keyboard, so that what it does with them by itself, such as going on with Tab, is part of the test.
//!
//! It speaks the Chrome DevTools Protocol over two pipes (`--remote-debugging-pipe`): JSON, each message with a zero behind.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::unix::pipe::{OpenOptions, Receiver, Sender},
    time::{Instant, sleep, timeout},
};

use super::{PATIENCE, quiet};

/// Pause between two looks at whether the page is as wanted.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Has the two pipes where the browser expects them: it reads from 3, and writes to 4.
const SCRIPT: &str = "exec \"$@\" 3<>\"$ODEON_TO\" 4<>\"$ODEON_FROM\"";

/// A tab with one page.
pub(super) struct Tab {
    browser: Child,
    to: Sender,
    from: BufReader<Receiver>,
    session: Option<String>,
    calls: u64,
}

impl Tab {
    /// Starts a browser and opens a page.
    pub(super) async fn open(browser: &Path, dir: &Path, url: &str) -> Self {
        let [to, from] = ["to", "from"].map(|name| dir.join(name));
        for pipe in [&to, &from] {
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(browser);
        quiet(&mut command, dir).arg("--remote-debugging-pipe");
        command.env("ODEON_TO", &to).env("ODEON_FROM", &from);
        let browser = command.stdout(Stdio::null()).spawn().unwrap();
        // Both ways, so that neither side waits for the other one to open its end.
        let mut options = OpenOptions::new();
        let to = options.read_write(true).open_sender(&to).unwrap();
        let from = BufReader::new(options.read_write(true).open_receiver(&from).unwrap());
        let mut tab = Self { browser, to, from, session: None, calls: 0 };
        let made = tab.told("Target.createTarget", json!({ "url": url })).await;
        let target = json!({ "targetId": made["targetId"], "flatten": true });
        let session = tab.told("Target.attachToTarget", target).await;
        tab.session = session["sessionId"].as_str().map(str::to_owned);
        tab.told("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await;
        tab
    }

    /// What the page makes of an expression.
    pub(super) async fn ask(&mut self, expression: &str) -> Value {
        self.evaluate(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression gives this. It may fail until then, such as while there is no page yet.
    pub(super) async fn shows(&mut self, expression: &str, wanted: impl Into<Value>) {
        let (wanted, until) = (wanted.into(), Instant::now() + PATIENCE);
        loop {
            let found = self.evaluate(expression).await;
            if found.as_ref() == Ok(&wanted) {
                return;
            }
            assert!(Instant::now() < until, "{expression} is {found:?}, and not {wanted}");
            sleep(LOOK_PAUSE).await;
        }
    }

    async fn evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", asked).await?;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(thrown.to_string()),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Presses keys, one after the other: names of keys, or single characters.
    pub(super) async fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let (number, text) = match *key {
                "Tab" => (9, ""),
                "Enter" => (13, "\r"),
                "Escape" => (27, ""),
                "End" => (35, ""),
                "Home" => (36, ""),
                "ArrowLeft" => (37, ""),
                "ArrowUp" => (38, ""),
                "ArrowRight" => (39, ""),
                "ArrowDown" => (40, ""),
                key => (u32::from(key.to_ascii_uppercase().as_bytes()[0]), key),
            };
            let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
            let mut pressed =
                json!({ "type": down, "key": key, "windowsVirtualKeyCode": number, "text": text });
            self.told("Input.dispatchKeyEvent", pressed.clone()).await;
            pressed["type"] = "keyUp".into();
            pressed["text"] = "".into();
            self.told("Input.dispatchKeyEvent", pressed).await;
        }
    }

    /// Lets the system prefer this colour scheme.
    pub(super) async fn prefer(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.told("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Ends the browser.
    pub(super) async fn close(mut self) {
        self.told("Browser.close", json!({})).await;
        let until = Instant::now() + PATIENCE;
        while self.browser.try_wait().unwrap().is_none() && Instant::now() < until {
            sleep(LOOK_PAUSE).await;
        }
    }

    /// What cannot fail.
    async fn told(&mut self, method: &str, params: Value) -> Value {
        self.call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.calls += 1;
        let mut asked = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            asked["sessionId"] = session.as_str().into();
        }
        let bytes = [asked.to_string().as_bytes(), &[0]].concat();
        let talk = async {
            self.to.write_all(&bytes).await.unwrap();
            loop {
                let mut said = Vec::new();
                self.from.read_until(0, &mut said).await.unwrap();
                let said: Value = serde_json::from_slice(&said[..said.len() - 1]).unwrap();
                // Others are events, which nobody has asked for.
                if said["id"] == self.calls {
                    return said;
                }
            }
        };
        let said = timeout(PATIENCE, talk).await;
        let mut said = said.unwrap_or_else(|_| panic!("the browser does not answer {method}"));
        match said.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(said["result"].take()),
        }
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
