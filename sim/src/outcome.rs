//! What the body of a scenario or of a node may return.

use std::{fmt::Debug, future::Future, pin::Pin};

/// A boxed future of the simulation's thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The result of a body: nothing (or no end at all), or a `Result` whose error fails the seed.
pub trait Outcome {
    /// The error in words.
    ///
    /// # Errors
    /// Where the body failed.
    fn outcome(self) -> Result<(), String>;
}

impl Outcome for () {
    fn outcome(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Debug> Outcome for Result<(), E> {
    fn outcome(self) -> Result<(), String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// The type `!`, which stable Rust lets one return but not name: the output of a node that loops for ever.
mod never {
    /// Gives the return type of a function pointer a name.
    pub trait Returns {
        /// That type.
        type Value;
    }

    impl<T> Returns for fn() -> T {
        type Value = T;
    }
}

impl Outcome for <fn() -> ! as never::Returns>::Value {
    fn outcome(self) -> Result<(), String> {
        self
    }
}
