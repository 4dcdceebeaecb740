//! Where an association stands: the one state machine of its life.
//!
//! Pure: `driver.rs` tells it what happened and acts on where it stands. Read `association.rs` next.

use crate::LostReason;

/// Where an association stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    /// There is no connection and nobody wants one.
    Idle,
    /// A dial has begun and not ended.
    Dialling,
    /// There is a connection.
    Up {
        /// The number of the dial that its hello or welcome carried.
        dial: u64,
    },
    /// A dial failed or the connection was lost, and the next dial waits.
    Backoff,
    /// It is over for good: quarantined, superseded, forgotten, or the endpoint is closed.
    Closed(LostReason),
}

/// What happens to an association.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LinkEvent {
    /// A dial begins.
    Dial,
    /// A connection passed its handshake, dialled by either side.
    Connected {
        /// The number of the dial that its hello or welcome carried.
        dial: u64,
    },
    /// The dial failed, or the connection was lost.
    Lost,
    /// Nobody wants a connection any more.
    Rest,
    /// It is over.
    Close(LostReason),
}

impl Link {
    /// Where it stands after `event`. What makes no sense in a state changes nothing; a closed one stays closed.
    #[must_use]
    pub(crate) fn after(self, event: LinkEvent) -> Self {
        match (self, event) {
            (closed @ Self::Closed(_), _) => closed,
            (_, LinkEvent::Close(why)) => Self::Closed(why),
            (_, LinkEvent::Connected { dial }) => Self::Up { dial },
            (Self::Idle | Self::Backoff, LinkEvent::Dial) => Self::Dialling,
            (Self::Dialling | Self::Up { .. }, LinkEvent::Lost) => Self::Backoff,
            (Self::Backoff | Self::Idle, LinkEvent::Rest) => Self::Idle,
            (state, LinkEvent::Dial | LinkEvent::Lost | LinkEvent::Rest) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_goes_round_until_it_is_closed() {
        let mut link = Link::Idle;
        let steps = [
            (LinkEvent::Dial, Link::Dialling),
            (LinkEvent::Lost, Link::Backoff),
            (LinkEvent::Dial, Link::Dialling),
            (LinkEvent::Connected { dial: 3 }, Link::Up { dial: 3 }),
            (LinkEvent::Connected { dial: 4 }, Link::Up { dial: 4 }),
            (LinkEvent::Rest, Link::Up { dial: 4 }),
            (LinkEvent::Lost, Link::Backoff),
            (LinkEvent::Rest, Link::Idle),
            (LinkEvent::Close(LostReason::Quarantined), Link::Closed(LostReason::Quarantined)),
            (LinkEvent::Connected { dial: 5 }, Link::Closed(LostReason::Quarantined)),
            (LinkEvent::Close(LostReason::Closed), Link::Closed(LostReason::Quarantined)),
        ];
        for (event, expected) in steps {
            link = link.after(event);
            assert_eq!(link, expected);
        }
    }
}
