//! The topic of a published message, which stands behind its archive.
//!
//! What it is: a message whose receiver is a topic (`ActorKey::is_topic`) has in its payload first the archive, then the
//! topic, then the topic's length. An archive is read from its start, which so stays aligned, and ends where the topic
//! begins. What it is NOT: a kind of its own; such a frame is a message in all else.

use thiserror::Error;

/// Longest topic, in bytes.
pub const TOPIC_BYTES_MAX: usize = 256;

/// Bytes of the length.
const LENGTH_BYTES: usize = 2;

/// The payload of a published message does not end with a topic.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TopicFieldError {
    /// It is shorter than the topic would be.
    #[error("the payload has {len} bytes and is to end with a topic of {topic}")]
    Truncated {
        /// Bytes of the payload.
        len: usize,
        /// Bytes of the topic.
        topic: usize,
    },
    /// The topic is empty or too long.
    #[error("a topic has 1 to {TOPIC_BYTES_MAX} bytes, not {topic}")]
    Length {
        /// Bytes of the topic.
        topic: usize,
    },
    /// The topic is no UTF-8.
    #[error("the topic is no UTF-8")]
    Text,
}

/// Appends a topic to the payload of a published message, behind its archive.
///
/// # Panics
/// When the topic has more than [`TOPIC_BYTES_MAX`] bytes, which whoever publishes has refused.
pub fn put_topic(out: &mut Vec<u8>, topic: &str) {
    assert!(topic.len() <= TOPIC_BYTES_MAX, "a topic of {} bytes", topic.len());
    out.reserve(topic.len() + LENGTH_BYTES);
    out.extend_from_slice(topic.as_bytes());
    out.extend_from_slice(&(topic.len() as u16).to_le_bytes());
}

/// Splits the payload of a published message: the length of the archive, and the topic.
///
/// # Errors
/// When it does not end with a topic.
pub fn split_topic(payload: &[u8]) -> Result<(usize, &str), TopicFieldError> {
    let len = payload.len();
    let Some((rest, length)) = payload.split_last_chunk::<LENGTH_BYTES>() else {
        return Err(TopicFieldError::Truncated { len, topic: 0 });
    };
    let topic = usize::from(u16::from_le_bytes(*length));
    if topic == 0 || topic > TOPIC_BYTES_MAX {
        return Err(TopicFieldError::Length { topic });
    }
    let start = rest.len().checked_sub(topic).ok_or(TopicFieldError::Truncated { len, topic })?;
    let text = std::str::from_utf8(&rest[start..]).map_err(|_| TopicFieldError::Text)?;
    Ok((start, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_payload_has_its_golden_bytes() {
        let mut payload = b"archive".to_vec();
        put_topic(&mut payload, "prices.gold");
        assert_eq!(payload, b"archiveprices.gold\x0b\x00");
        assert_eq!(split_topic(&payload), Ok((7, "prices.gold")));
    }

    #[test]
    fn a_message_without_fields_is_topic_alone() {
        let mut payload = Vec::new();
        put_topic(&mut payload, "a");
        assert_eq!(split_topic(&payload), Ok((0, "a")));
    }

    #[test]
    fn what_ends_with_no_topic_is_an_error() {
        for short in [&[][..], &[1]] {
            assert!(matches!(split_topic(short), Err(TopicFieldError::Truncated { .. })));
        }
        assert_eq!(split_topic(b"\x00\x00"), Err(TopicFieldError::Length { topic: 0 }));
        assert_eq!(split_topic(b"\x01\x01"), Err(TopicFieldError::Length { topic: 257 }));
        assert_eq!(
            split_topic(b"ab\x03\x00"),
            Err(TopicFieldError::Truncated { len: 4, topic: 3 })
        );
        assert_eq!(split_topic(b"\xff\x01\x00"), Err(TopicFieldError::Text));
    }
}
