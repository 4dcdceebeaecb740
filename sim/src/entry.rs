//! The macro that is the whole `main.rs` of a scenario binary, on each platform. Read `command.rs` next.

/// The command line of a program whose scenarios are made by these functions: the whole of its `main.rs`, beside them.
///
/// ```no_run
/// use std::time::Duration;
///
/// use odeon_sim::{Outline, Scenario, Stream, World};
///
/// struct Quiet;
///
/// impl Scenario for Quiet {
///     const NAME: &'static str = "quiet";
///     const ABOUT: &'static str = "nothing happens, and nothing goes wrong";
///     type Step = ();
///
///     fn outline(&self) -> Outline {
///         Outline::new(["a"])
///     }
///     fn workload(&self, _: &Stream) -> Vec<(Duration, ())> {
///         Vec::new()
///     }
///     async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
///         world.node("a", |_| std::future::pending::<()>());
///         Ok(())
///     }
///     fn step(&mut self, _: &mut World, (): ()) -> impl Future<Output = ()> + 'static {
///         std::future::ready(())
///     }
///     async fn recover(&mut self, _: &mut World) -> Result<(), String> {
///         Ok(())
///     }
/// }
///
/// fn quiet() -> Quiet {
///     Quiet
/// }
///
/// odeon_sim::main! { quiet }
/// ```
#[macro_export]
macro_rules! main {
    ($($make:path),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::command::main(&[$($crate::Trial::of_binary($make)),+])
        }
    };
}
