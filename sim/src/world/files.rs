//! What a scenario writes for nodes to read: files that somebody else keeps, and variables of the environment.
//!
//! A node reads them through [`Env::read_file`](odeon_env::Env::read_file) and
//! [`Env::variable`](odeon_env::Env::variable), in all its lives; they may be there before the node is.

use std::path::Path;

use super::World;

impl World {
    /// Writes a file on a host, as a whole: who reads sees the old text or the new one. `None` deletes it.
    ///
    /// # Examples
    /// ```no_run
    /// # use odeon_sim::World;
    /// # async fn scenario(world: &mut World) {
    /// world.set_file("a", "/etc/odeon/seeds", Some("b:7400\n"));
    /// # }
    /// ```
    pub fn set_file(&self, host: &str, path: impl AsRef<Path>, text: Option<&str>) {
        let path = path.as_ref();
        self.ground.files.set_file(host, path, text.map(|text| text.as_bytes().to_vec()));
        self.note("file", &format!("{host}: {} is {text:?}", path.display()));
    }

    /// Sets a variable of the environment of a host's node; `None` takes it away.
    pub fn set_variable(&self, host: &str, name: &str, value: Option<&str>) {
        self.ground.files.set_variable(host, name, value.map(str::to_owned));
        self.note("variable", &format!("{host}: {name} is {value:?}"));
    }
}
