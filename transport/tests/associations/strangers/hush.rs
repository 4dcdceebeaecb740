//! Who is told that a node stops, and answers it or does not.

use std::time::Duration;

use odeon_message::AskId;
use odeon_transport::{Ca, FrameKind, Header, SendRefused};
use odeon_wire::{
    Close, CloseCode, Refuse, RefuseReason, format::CONTROL_FRAME_BYTES_MAX, write_body,
};
use tokio::time::Instant;

use super::{Stranger, hello};
use crate::{
    net::Net,
    node::{Plan, key, run, send, try_send},
};

const LONG: Duration = Duration::from_secs(60);

fn close(code: CloseCode) -> Vec<u8> {
    let (mut bytes, close) = (Vec::new(), Close { code, text: "".into() });
    write_body(&mut bytes, Header::bare(FrameKind::Close), &close, CONTROL_FRAME_BYTES_MAX)
        .unwrap();
    bytes
}

#[test]
fn whoever_hears_it_sends_what_waits_and_answers_and_no_messages() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let a = Plan::new(&net, &ca, "a", 1).start();
        let b = Plan::new(&net, &ca, "b", 2).start();
        net.disturb(7, 10, Duration::from_millis(20));
        let (to_a, to_b) = (b.to(&a), a.to(&b));
        send(&to_a, key(1), b"first").await;
        b.until_up(1).await;
        for slot in 0..200 {
            try_send(&to_a, key(slot), &[7; 500]).unwrap();
        }
        let began = Instant::now();
        a.transport.hush(LONG).await;
        assert!(began.elapsed() < LONG);
        assert_eq!(a.payloads().len(), 201, "all that was under way has come");
        assert!(matches!(try_send(&to_a, key(1), b"late"), Err(SendRefused::Stopping)));
        let reply = Header::of_ask(FrameKind::Reply, AskId(7));
        let sent = to_a.send_prepaid(key(1), reply, &mut |out| {
            out.extend_from_slice(b"an answer");
            Ok(())
        });
        assert!(sent.is_ok(), "who stops has asked as well: {sent:?}");
        try_send(&to_b, key(1), b"as ever").unwrap();
        // Both at once, and one of them again.
        tokio::join!(a.transport.hush(LONG), b.transport.hush(LONG));
        assert!(began.elapsed() < LONG);
        assert!(matches!(try_send(&to_b, key(1), b"late"), Err(SendRefused::Stopping)));
    });
}

#[test]
fn one_that_does_not_answer_holds_up_nothing_that_follows() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let mut stranger = Stranger::associated(&net, &ca, &node).await;
        node.until_up(1).await;
        let began = Instant::now();
        let within = Duration::from_millis(500);
        let mut told = async || {
            loop {
                let frame = stranger.next_frame().await;
                if frame.header.kind == FrameKind::Close {
                    break frame.body::<Close>().unwrap().code;
                }
            }
        };
        let (code, ()) = tokio::join!(told(), node.transport.hush(within));
        assert_eq!((code, began.elapsed()), (CloseCode::Stopping, within));
        // What a later revision may have to say is no answer, and nothing to be afraid of.
        stranger.go_on(&close(CloseCode::Other(999))).await;
        let again = Instant::now();
        node.transport.hush(within).await;
        assert_eq!(again.elapsed(), within);
        let flushed = Instant::now();
        node.transport.flush(LONG).await;
        assert!(flushed.elapsed() < within, "{:?}", flushed.elapsed());
        stranger.go_on(&close(CloseCode::Done)).await;
        node.transport.hush(LONG).await;
        assert!(flushed.elapsed() < LONG);
        // Too late to ask anything.
        let mut late = Stranger::connect(&net, &ca, "late", 67, &node).await;
        late.introduce(&hello("late")).await;
        let refused = late.next_frame().await.body::<Refuse>().unwrap();
        assert_eq!(refused.reason, RefuseReason::Stopping);
    });
}
