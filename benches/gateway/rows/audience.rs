//! A crowd of subscribers that only count what arrives.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::{
    net::TcpStream,
    sync::Notify,
    task::{JoinHandle, spawn_local},
};

use crate::{
    servers::Target,
    websocket::{self, Counter},
};

/// What all subscribers together heard.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) frames: Cell<u64>,
    pub(crate) payload_bytes: Cell<u64>,
    /// Payload bytes and frames that each subscriber heard.
    pub(crate) each: RefCell<Vec<(u64, u64)>>,
    /// Connections that the server ended, or said it would.
    pub(crate) ended: Cell<usize>,
    /// The last close code heard; 0: none.
    pub(crate) close_code: Cell<u16>,
    /// Told after each read.
    pub(crate) progress: Notify,
}

/// Subscribers with their reading tasks.
pub(crate) struct Audience {
    pub(crate) heard: Rc<Heard>,
    pub(crate) size: usize,
    tasks: Vec<JoinHandle<()>>,
}

impl Audience {
    /// Connections to `target`, one for each of `channels`.
    pub(crate) async fn gather(target: &Target, channels: impl Iterator<Item = String>, subprotocol: Option<&str>) -> Result<Self> {
        let heard = Rc::new(Heard::default());
        let mut tasks = Vec::new();
        for channel in channels {
            let stream = websocket::subscribe(target, &channel, subprotocol).await?;
            heard.each.borrow_mut().push((0, 0));
            tasks.push(spawn_local(listen(Rc::new(stream), tasks.len(), heard.clone())));
        }
        Ok(Self { heard, size: tasks.len(), tasks })
    }

    /// Waits until `frames` were heard in all, or nothing has come for a second.
    pub(crate) async fn quiet(&self, done: impl Fn(&Heard) -> bool) -> Result<()> {
        let mut last = (self.heard.payload_bytes.get(), Instant::now());
        while !done(&self.heard) && last.1.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.heard.payload_bytes.get();
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
        let (ended, code) = (self.heard.ended.get(), self.heard.close_code.get());
        ensure!(ended == 0, "{ended} subscribers were disconnected (close code {code}): the measurement says nothing");
        Ok(())
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn listen(stream: Rc<TcpStream>, place: usize, heard: Rc<Heard>) {
    let mut counter = Counter::default();
    let mut told = false;
    let _ = websocket::read_all(stream, |bytes| {
        let before = (counter.frames, counter.payload_bytes);
        counter.take(bytes);
        heard.frames.set(heard.frames.get() + counter.frames - before.0);
        heard.payload_bytes.set(heard.payload_bytes.get() + counter.payload_bytes - before.1);
        heard.each.borrow_mut()[place] = (counter.payload_bytes, counter.frames);
        if counter.closed && !told {
            heard.close_code.set(close_code(bytes));
            if place == 0 {
                eprintln!(
                    "closed after {} frames, read of {}: head {:?} tail {:?}",
                    counter.frames,
                    bytes.len(),
                    String::from_utf8_lossy(&bytes[..bytes.len().min(90)]),
                    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(120)..])
                );
            }
            told = true;
            heard.ended.set(heard.ended.get() + 1);
        }
        heard.progress.notify_waiters();
    })
    .await;
    if !told {
        heard.ended.set(heard.ended.get() + 1);
    }
}

/// The code of the unmasked close frame that `bytes` end with; 0 where it was cut in two.
fn close_code(bytes: &[u8]) -> u16 {
    let at =
        (0..bytes.len()).rev().find(|&i| bytes[i] == 0x88 && bytes.get(i + 1).is_some_and(|len| i + 2 + usize::from(*len) == bytes.len()));
    at.and_then(|i| bytes.get(i + 2..i + 4)).map_or(0, |code| u16::from_be_bytes([code[0], code[1]]))
}
