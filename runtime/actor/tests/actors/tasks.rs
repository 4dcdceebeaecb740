//! Tasks of the node: futures that it owns, on its workers.

use std::sync::{Arc, Mutex};

use tokio::{sync::oneshot, task::yield_now, time::sleep};

use crate::{
    beside::Dropped,
    desk::{SECOND, desk, make},
    fixture::{Threads, in_world, on_one_thread, system_of},
    odeon::{ActorSystem, SystemConfig, TaskEnded, TaskError},
};

#[test]
fn a_task_runs_on_its_node_and_ends_with_its_handle() {
    on_one_thread(1, |system| async move {
        assert_eq!(crate::odeon::spawn(async {}).unwrap_err(), TaskError::NoNode);
        let (desk, _) = desk(&system).await;
        let (sender, receiver) = oneshot::channel();
        make(&desk, |_, _| {
            let task = crate::odeon::spawn(async {
                sleep(SECOND).await;
                // A task knows its node.
                crate::odeon::spawn(async { 7 }).unwrap().await.unwrap()
            });
            assert!(sender.send(task.unwrap()).is_ok());
        })
        .await;
        assert_eq!(receiver.await.unwrap().await, Ok(7));

        let drops = Arc::<Mutex<u32>>::default();
        let kept = Dropped(drops.clone());
        let task = system.spawn_task(async move {
            sleep(100 * SECOND).await;
            drop(kept);
        });
        sleep(SECOND).await;
        drop(task);
        sleep(SECOND).await;
        assert_eq!(*drops.lock().unwrap(), 1, "it ends with its handle");

        let task = system.spawn_task(async { panic!("task") }).unwrap();
        let never: Result<(), TaskEnded> = task.await;
        assert_eq!(never, Err(TaskEnded));
        assert_eq!(system.stats().panics, 1);
    });
}

#[test]
fn the_end_of_the_node_ends_its_tasks_and_waits_for_them() {
    let drops = Arc::<Mutex<u32>>::default();
    let spawn = |system: ActorSystem, detached: bool| {
        let kept = Dropped(drops.clone());
        let task = system
            .spawn_task(async move {
                let _kept = kept;
                std::future::pending::<()>().await;
            })
            .unwrap();
        if detached {
            task.detach();
            None
        } else {
            Some(task)
        }
    };
    let threads = Threads::new(2);
    let kept = (0..100).map(|n| spawn(threads.system.clone(), n % 2 == 0)).collect::<Vec<_>>();
    threads.end();
    assert_eq!(*drops.lock().unwrap(), 100);
    drop(kept);
}

#[test]
fn a_crash_drops_tasks_without_running_them() {
    let drops = Arc::<Mutex<u32>>::default();
    let ran = Arc::<Mutex<u32>>::default();
    in_world(|| {
        let system = system_of("gone", Arc::new(odeon_env::RealEnv), SystemConfig::default());
        let (drops, ran) = (drops.clone(), ran.clone());
        async move {
            system.start_worker();
            let kept = Dropped(drops);
            let task = async move {
                let _kept = kept;
                *ran.lock().unwrap() += 1;
            };
            system.spawn_task(task).unwrap().detach();
            system.crash();
            for _ in 0..10 {
                yield_now().await;
            }
        }
    });
    assert_eq!((*drops.lock().unwrap(), *ran.lock().unwrap()), (1, 0));
}
