//! Frames on a bare stream of bytes: what an actor system would do at least, without actors.
//!
//! Both references speak it, quinn's streams and TLS over TCP. A frame is eight bytes of header, the length of its payload
//! and its kind, and the payload. Tells are written in batches. The receiver reads into one buffer that it uses again and
//! again; of a large frame it reads no further than to its end, so that nothing of it is moved.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    Outcome,
    remote::system::{Count, Size, number, timed},
};

const HEADER_BYTES: usize = 8;

/// Most frames, and bytes, of one write of tells.
const BATCH_FRAMES: usize = 256;
const BATCH_BYTES: usize = 64 << 10;

/// What is read at once at most, but for a larger frame.
const READ_BYTES: usize = 64 << 10;

/// The longest frame.
const FRAME_BYTES_MAX: usize = HEADER_BYTES + (1 << 20);

/// Asks under way in `ask64`.
const UNDER_WAY: u64 = 64;

const TELL: u32 = 0;
const ASK: u32 = 1;
const COUNT: u32 = 2;

/// Answers until the stream ends.
///
/// # Errors
/// When the stream fails or a frame is longer than any that is sent.
pub(crate) async fn answer(
    mut recv: impl AsyncRead + Unpin,
    mut send: impl AsyncWrite + Unpin,
) -> Outcome<()> {
    let mut buffer = vec![0; FRAME_BYTES_MAX + READ_BYTES];
    let (mut count, mut answers) = (Count::default(), Vec::new());
    let mut have = 0;
    loop {
        let until = wanted(&buffer[..have])?;
        match recv.read(&mut buffer[have..until]).await? {
            0 => return Ok(()),
            read => have += read,
        }
        let mut at = 0;
        while let Some((kind, payload)) = frame(&buffer[at..have])? {
            match kind {
                TELL => count.add(number(payload)),
                ASK => push(&mut answers, ASK, payload),
                _ => {
                    let count = count.take();
                    let words = [count.messages, count.sum].map(u64::to_le_bytes);
                    push(&mut answers, COUNT, words.as_flattened());
                }
            }
            at += HEADER_BYTES + payload.len();
        }
        buffer.copy_within(at..have, 0);
        have -= at;
        if !answers.is_empty() {
            send.write_all(&answers).await?;
            send.flush().await?;
            answers.clear();
        }
    }
}

/// Up to where the buffer is to be filled.
fn wanted(have: &[u8]) -> Outcome<usize> {
    let frame = have.first_chunk().map_or(Ok(0), length)?;
    Ok(if frame > READ_BYTES { frame } else { have.len() + READ_BYTES })
}

/// The whole length of the frame that begins with these bytes.
fn length(start: &[u8; 4]) -> Outcome<usize> {
    let bytes = HEADER_BYTES + u32::from_le_bytes(*start) as usize;
    if bytes > FRAME_BYTES_MAX {
        return Err(format!("a frame of {bytes} bytes came, of {FRAME_BYTES_MAX} at most").into());
    }
    Ok(bytes)
}

/// The first frame, if it is whole.
fn frame(bytes: &[u8]) -> Outcome<Option<(u32, &[u8])>> {
    let Some((start, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let whole = length(start)?;
    let Some((kind, rest)) = rest.split_first_chunk() else { return Ok(None) };
    let payload = rest.get(..whole - HEADER_BYTES);
    Ok(payload.map(|payload| (u32::from_le_bytes(*kind), payload)))
}

fn push(to: &mut Vec<u8>, kind: u32, payload: &[u8]) {
    to.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    to.extend_from_slice(&kind.to_le_bytes());
    to.extend_from_slice(payload);
}

/// The sending end of one stream.
#[derive(Debug)]
pub(crate) struct Pipe<R, W> {
    recv: R,
    send: W,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Pipe<R, W> {
    pub(crate) fn new(recv: R, send: W) -> Self {
        Self { recv, send }
    }

    async fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.send.write_all(bytes).await?;
        Ok(self.send.flush().await?)
    }

    /// Asks, one after the other.
    ///
    /// # Errors
    /// When the stream fails.
    pub(crate) async fn ask(&mut self, asks: u64) -> Outcome<Vec<Duration>> {
        let mut frame = Vec::new();
        push(&mut frame, ASK, &vec![7; Size::B64.bytes()]);
        timed(asks, async |_| {
            self.write(&frame).await?;
            self.recv.read_exact(&mut frame).await?;
            Ok(())
        })
        .await
    }

    /// So many asks, 64 of them under way.
    ///
    /// # Errors
    /// When the stream fails.
    pub(crate) async fn ask64(&mut self, asks: u64) -> Outcome<()> {
        let mut frame = Vec::new();
        push(&mut frame, ASK, &vec![7; Size::B64.bytes()]);
        let mut answers = vec![0; frame.len() * UNDER_WAY as usize];
        let (mut asked, mut have) = (asks.min(UNDER_WAY), 0);
        self.write(&frame.repeat(asked as usize)).await?;
        let mut answered = 0;
        while answered < asks {
            match self.recv.read(&mut answers[have..]).await? {
                0 => return Err("the stream ended".into()),
                read => have += read,
            }
            let came = (have / frame.len()) as u64;
            // Which of the answers is in pieces does not matter: they are alike.
            have %= frame.len();
            answered += came;
            let more = came.min(asks - asked);
            asked += more;
            self.write(&frame.repeat(more as usize)).await?;
        }
        Ok(())
    }

    /// Tells in batches, and then asks for the count.
    ///
    /// # Errors
    /// When the stream fails or messages were lost.
    pub(crate) async fn tell(&mut self, size: Size, tells: u64) -> Outcome<()> {
        let payload = vec![7; size.bytes()];
        let mut frame = Vec::new();
        push(&mut frame, TELL, &payload);
        let in_batch = (BATCH_BYTES / frame.len()).clamp(1, BATCH_FRAMES) as u64;
        let mut batch = Vec::with_capacity(frame.len() * in_batch as usize);
        let mut told = 0;
        while told < tells {
            let until = tells.min(told + in_batch);
            for number in told..until {
                frame[HEADER_BYTES..][..8].copy_from_slice(&number.to_le_bytes());
                if in_batch > 1 {
                    batch.extend_from_slice(&frame);
                }
            }
            self.send.write_all(if in_batch > 1 { &batch } else { &frame }).await?;
            batch.clear();
            told = until;
        }
        self.count().await?.check(tells)
    }

    async fn count(&mut self) -> Outcome<Count> {
        let mut frame = Vec::new();
        push(&mut frame, COUNT, &[]);
        self.write(&frame).await?;
        let mut answer = [0; HEADER_BYTES + 16];
        self.recv.read_exact(&mut answer).await?;
        let words = &answer[HEADER_BYTES..];
        Ok(Count { messages: number(words), sum: number(&words[8..]) })
    }
}

#[cfg(test)]
mod tests {
    use super::{FRAME_BYTES_MAX, Pipe, answer, frame, push};
    use crate::remote::system::Size;

    #[tokio::test]
    async fn what_is_sent_is_answered_and_counted() {
        let (near, far) = tokio::io::duplex(10_000);
        let (recv, send) = tokio::io::split(far);
        let (recv, send, near) = (recv, send, tokio::io::split(near));
        let mut pipe = Pipe::new(near.0, near.1);
        let run = async {
            assert_eq!(pipe.ask(3).await.unwrap().len(), 3);
            pipe.ask64(1000).await.unwrap();
            for size in [Size::B64, Size::B100, Size::K1, Size::M1] {
                pipe.tell(size, 5).await.unwrap();
            }
            pipe.tell(Size::B100, 1000).await.unwrap();
        };
        tokio::select! {
            () = run => {}
            done = answer(recv, send) => panic!("{done:?}"),
        }
    }

    #[test]
    fn a_frame_is_whole_or_waits_and_a_longer_one_is_refused() {
        let mut bytes = Vec::new();
        push(&mut bytes, 1, b"four");
        for end in 0..bytes.len() {
            assert_eq!(frame(&bytes[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(frame(&bytes).unwrap(), Some((1, b"four".as_slice())));
        let longer = (FRAME_BYTES_MAX as u32 - 7).to_le_bytes();
        assert!(frame(&longer).is_err());
    }
}
