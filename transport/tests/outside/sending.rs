//! A message over an association, however long it has to wait for room.

use odeon_message::{ActorKey, AskId, Fingerprint, MessageId};
use odeon_transport::{Association, MessageHeader, RoomWaiter};

pub(crate) async fn send(association: &Association, slot: u32, payload: &[u8]) {
    let to = ActorKey { slot, generation: 0 };
    let header = MessageHeader {
        to,
        message: MessageId::of("m"),
        fingerprint: Some(Fingerprint(1)),
        ask: AskId::NONE,
        remaining: None,
        repeat: None,
        stream: None,
        trace: None,
    };
    let mut waiter = RoomWaiter::default();
    loop {
        let sent = association.try_send(header.clone(), &mut |out| {
            out.extend_from_slice(payload);
            Ok(())
        });
        match sent {
            Ok(_) => break,
            Err(refused) if refused.is_full() => {
                std::future::poll_fn(|cx| association.poll_room(to, &mut waiter, cx)).await;
            }
            Err(refused) => panic!("{refused}"),
        }
    }
    association.forget_room(to, &mut waiter);
}
