//! Lanes of frame connections: all that arrive at an endpoint are read by one task of it.
//!
//! A task for each lane would be woken for each packet, which in a simulation of many nodes is most of what a message costs.
//! Here the lane's own task sleeps until the stream has ended, its connection is lost, or a frame in it is wrong; what a
//! reader does with bytes is the same as where QUIC brings them. What it is NOT: part of a build without the simulator,
//! where no endpoint has frame connections. Read `stream_in.rs` for what becomes of frames.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use odeon_env::{FrameArrival, buggify_number};
use odeon_wire::FrameReader;
use tokio::sync::Notify;

use super::{drain, malformed, take_from};
use crate::{
    association::{Counters, flow::LaneWindows},
    carrier::FrameStream,
    connection::{End, Live},
    hub::Hub,
};

/// The lanes of one endpoint that are read here, each under its ticket.
#[derive(Default)]
pub(crate) struct Attended {
    lanes: RefCell<Lanes>,
    /// What has arrived and is being read; kept for its room.
    arrived: Cell<Vec<FrameArrival>>,
}

#[derive(Default)]
struct Lanes {
    /// With how often each place was given away: bytes may come for one that has left.
    places: Vec<(u32, Option<Rc<Lane>>)>,
    free: Vec<u32>,
}

/// A lane that is read here.
struct Lane {
    live: Rc<Live>,
    index: u8,
    windows: Arc<LaneWindows>,
    reader: RefCell<FrameReader>,
    /// In a simulation a reader is late now and then: for how long, and what comes meanwhile.
    late: RefCell<Option<(Duration, VecDeque<Bytes>)>>,
    end: Cell<Option<End>>,
    has_ended: Cell<bool>,
    /// It is late, or has ended badly.
    news: Notify,
}

/// A lane has a ticket until this is dropped.
struct Ticket<'a> {
    attended: &'a Attended,
    place: u32,
    number: u64,
}

impl Attended {
    fn enter(&self, lane: Rc<Lane>) -> Ticket<'_> {
        let mut lanes = self.lanes.borrow_mut();
        let place = lanes.free.pop().unwrap_or_else(|| {
            lanes.places.push((0, None));
            lanes.places.len() as u32 - 1
        });
        let (users, held) = &mut lanes.places[place as usize];
        *users = users.wrapping_add(1);
        *held = Some(lane);
        Ticket { attended: self, place, number: u64::from(*users) << 32 | u64::from(place) }
    }

    fn find(&self, ticket: u64) -> Option<Rc<Lane>> {
        let lanes = self.lanes.borrow();
        let (users, lane) = lanes.places.get(ticket as u32 as usize)?;
        lane.as_ref().filter(|_| u64::from(*users) == ticket >> 32).cloned()
    }

    /// Reads what has arrived, and leaves the waker for what comes later.
    fn receive(&self, hub: &Hub, waker: Option<&Waker>) {
        let mut arrived = self.arrived.take();
        hub.endpoint.take_arrived(&mut arrived, waker);
        for FrameArrival { ticket, bytes } in arrived.drain(..) {
            if let Some(lane) = self.find(ticket) {
                lane.take(bytes);
            }
        }
        self.arrived.set(arrived);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut lanes = self.attended.lanes.borrow_mut();
        lanes.places[self.place as usize].1 = None;
        lanes.free.push(self.place);
    }
}

/// Reads what arrives at the endpoint on lanes, for ever.
pub(crate) async fn receive(hub: Rc<Hub>) {
    poll_fn(|cx| {
        hub.attended.receive(&hub, Some(cx.waker()));
        Poll::<()>::Pending
    })
    .await;
}

/// Lets the endpoint read a lane, until that or its connection ends.
pub(super) async fn attend(
    live: &Rc<Live>,
    mut stream: FrameStream,
    index: u8,
    windows: Arc<LaneWindows>,
    reader: FrameReader,
) -> Result<(), End> {
    let lane = Rc::new(Lane {
        live: Rc::clone(live),
        index,
        windows,
        reader: RefCell::new(reader),
        late: RefCell::default(),
        end: Cell::default(),
        has_ended: Cell::default(),
        news: Notify::new(),
    });
    let hub = &live.hub;
    let ticket = hub.attended.enter(Rc::clone(&lane));
    let first = stream.attend(ticket.number);
    if !first.is_empty() {
        lane.take(first);
    }
    let ended = loop {
        tokio::select! {
            biased;
            () = lane.news.notified() => lane.go_on().await?,
            ended = stream.ended() => break ended,
        }
    };
    // What came before the end may not have been taken.
    hub.attended.receive(hub, None);
    lane.go_on().await?;
    ended?;
    let reader = lane.reader.borrow();
    reader.end().map_err(|cause| malformed(&cause))
}

impl Lane {
    /// Takes the next bytes of the stream.
    fn take(&self, bytes: Bytes) {
        if self.has_ended.get() {
            return;
        }
        if let Some((_, waiting)) = &mut *self.late.borrow_mut() {
            waiting.push_back(bytes);
            return;
        }
        if let Err(end) = self.read(&bytes) {
            self.has_ended.set(true);
            self.end.set(Some(end));
            self.news.notify_one();
        } else if let Some(ms) = buggify_number!(0.02, 1..20) {
            *self.late.borrow_mut() = Some((Duration::from_millis(ms), VecDeque::new()));
            self.news.notify_one();
        }
    }

    fn read(&self, bytes: &[u8]) -> Result<(), End> {
        let Self { live, index, windows, .. } = self;
        let counters = &live.association.counters;
        let of_stream = &counters.lane(*index).stream;
        let mut reader = self.reader.borrow_mut();
        reader.push(bytes);
        Counters::add_alone(&counters.bytes_received, bytes.len() as u64);
        Counters::add_alone(&of_stream.bytes_received, bytes.len() as u64);
        live.bulk_reads.heard();
        let mut take = |frame| take_from(live, *index, windows, frame);
        drain(live, &mut reader, of_stream, &mut take)?;
        reader.rest();
        Ok(())
    }

    fn lateness(&self) -> Option<Duration> {
        self.late.borrow().as_ref().map(|(pause, _)| *pause)
    }

    /// Waits as long as it is late and reads what came meanwhile; or ends, if it has to.
    async fn go_on(&self) -> Result<(), End> {
        while let Some(pause) = self.lateness() {
            tokio::time::sleep(pause).await;
            let waiting = self.late.borrow_mut().take();
            waiting.into_iter().flat_map(|(_, waiting)| waiting).for_each(|bytes| self.take(bytes));
        }
        self.end.take().map_or(Ok(()), Err)
    }
}
