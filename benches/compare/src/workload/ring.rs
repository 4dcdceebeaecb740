//! A token that a thousand actors pass on.

use crate::{
    Outcome,
    gate::Gate,
    system::{System, World},
    workload::Slices,
};

const LINKS: usize = 1000;

pub(super) async fn ring<S: System>(world: World<S>) -> Outcome<f64> {
    let gate = Gate::new();
    let mut links = Vec::with_capacity(LINKS);
    for _ in 0..LINKS {
        links.push(world.system.link(gate.clone()).await?);
    }
    for (link, next) in links.iter().zip(links.iter().cycle().skip(1)) {
        S::join(link, next.clone()).await?;
    }
    let slices = Slices::new(20, 50_000);
    let slice = || async {
        gate.expect(1);
        S::pass(&links[0], slices.operations).await?;
        gate.opened().await;
        Ok(())
    };
    slices.measure(world.mode, slice).await
}
