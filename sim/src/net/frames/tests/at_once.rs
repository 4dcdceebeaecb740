//! Writes that do not wait, and streams that are read together.

use odeon_env::FrameArrival;

use super::*;

fn write_at_once(connection: &Connection, stream: FrameStream, bytes: &[u8]) -> bool {
    let take = &mut || Bytes::copy_from_slice(bytes);
    connection.write_at_once(stream, bytes.len(), take)
}

/// The next that arrives at an endpoint.
async fn arrived(end: &End) -> Vec<(u64, Bytes)> {
    let mut arrived = Vec::new();
    poll_fn(|cx| {
        end.endpoint.take_arrived(&mut arrived, Some(cx.waker()));
        if arrived.is_empty() { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    arrived.into_iter().map(|FrameArrival { ticket, bytes }| (ticket, bytes)).collect()
}

#[test]
fn a_stream_is_written_at_once_where_nothing_is_gained_by_waiting() {
    on_bed(TEN, |bed| async move {
        let (_ends, [a, b]) = bed.pair().await;
        let [one, other] = [(), ()].map(|()| a.open(FrameWay::One).unwrap());
        assert!(write_at_once(&a, one, b"first"));
        assert!(!write_at_once(&a, one, b"second"), "what comes in one moment goes together");
        assert!(write_at_once(&a, other, b"of another stream"));
        write(&a, one, b"second").await.unwrap();
        sleep(MS).await;
        assert!(!write_at_once(&a, one, &[1; WINDOW as usize]), "the window has no room");
        assert!(write_at_once(&a, one, b"third"));
        // Whichever came first; both sides number them alike.
        for _ in 0..2 {
            accept(&b, FrameWay::One).await;
        }
        let mut bytes = Vec::new();
        while bytes.len() < b"firstsecondthird".len() {
            bytes.extend_from_slice(&read(&b, one).await.unwrap().unwrap());
        }
        assert_eq!(bytes, b"firstsecondthird");
        a.close(0, b"");
        assert!(!write_at_once(&a, other, b"too late"));
    });
}

#[test]
fn what_arrives_on_streams_that_are_attended_to_comes_in_one_queue() {
    on_bed(TEN, |bed| async move {
        let (ends, [a, b]) = bed.pair().await;
        let mut streams = Vec::new();
        for ticket in [7, 9] {
            let stream = a.open(FrameWay::One).unwrap();
            write(&a, stream, b"early").await.unwrap();
            let inbound = accept(&b, FrameWay::One).await;
            b.attend(inbound, ticket);
            // What had arrived before is handed over as well.
            assert_eq!(arrived(&ends[1]).await, [(ticket, Bytes::from_static(b"early"))]);
            streams.push((stream, inbound));
        }
        write(&a, streams[1].0, b"second").await.unwrap();
        sleep(MS).await;
        write(&a, streams[0].0, b"first").await.unwrap();
        sleep(20 * MS).await;
        let both = arrived(&ends[1]).await;
        let expected: [(u64, &[u8]); 2] = [(9, b"second"), (7, b"first")];
        assert_eq!(both, expected.map(|(ticket, bytes)| (ticket, Bytes::from_static(bytes))));
        // The loss is the stream's own, and what came before it is there.
        write(&a, streams[0].0, b"last words").await.unwrap();
        sleep(MS).await;
        a.close(7, b"enough");
        assert!(read(&b, streams[0].1).await.is_err());
        assert_eq!(arrived(&ends[1]).await, [(7, Bytes::from_static(b"last words"))]);
    });
}

#[test]
fn the_window_of_a_stream_is_as_wide_as_what_was_taken() {
    on_bed(TEN, |bed| async move {
        let (ends, [a, b]) = bed.pair().await;
        let stream = a.open(FrameWay::One).unwrap();
        write(&a, stream, &[1]).await.unwrap();
        b.attend(accept(&b, FrameWay::One).await, 1);
        let more = write(&a, stream, &[1; 2 * WINDOW as usize]);
        assert!(timeout(IDLE * 2, more).await.is_err(), "nobody has taken anything");
        let taken: usize = arrived(&ends[1]).await.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(taken, WINDOW as usize);
        write(&a, stream, b"room again").await.unwrap();
        assert_eq!(arrived(&ends[1]).await, [(1, Bytes::from_static(b"room again"))]);
    });
}
