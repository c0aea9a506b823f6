//! A crowd of subscribers that only count what arrives.

use std::{
    cell::Cell,
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
    /// Connections that the server ended.
    pub(crate) ended: Cell<usize>,
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
            tasks.push(spawn_local(listen(Rc::new(stream), heard.clone())));
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
        let ended = self.heard.ended.get();
        ensure!(ended == 0, "{ended} subscribers were disconnected: the measurement says nothing");
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

async fn listen(stream: Rc<TcpStream>, heard: Rc<Heard>) {
    let mut counter = Counter::default();
    let _ = websocket::read_all(stream, |bytes| {
        let before = (counter.frames, counter.payload_bytes);
        counter.take(bytes);
        heard.frames.set(heard.frames.get() + counter.frames - before.0);
        heard.payload_bytes.set(heard.payload_bytes.get() + counter.payload_bytes - before.1);
        heard.progress.notify_waiters();
    })
    .await;
    heard.ended.set(heard.ended.get() + 1);
}
