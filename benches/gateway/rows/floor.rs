//! What the machine itself takes to hand one publication to every subscriber: a bare loop that
//! writes a prepared frame to one socket after the other, and the same readers.

use std::{
    cell::RefCell,
    io::Write as _,
    net::TcpListener,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::net::TcpStream;

use super::latency::{PER_SECOND, Readers, percentiles, stamp};
use crate::Plan;

/// Median and 99th percentile from write to read, microseconds, in one round. No server that sends
/// each subscriber a segment of its own can be faster on this machine beside this generator.
pub(super) async fn round(plan: &Plan, epoch: Instant, data: &str) -> Result<(f64, f64)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let delays = Rc::new(RefCell::new(Vec::new()));
    let (mut readers, mut sockets) = (Readers::default(), Vec::new());
    for _ in 0..plan.subscribers {
        let reading = Rc::new(TcpStream::connect(address).await?);
        let (writing, _) = listener.accept()?;
        writing.set_nodelay(true)?;
        sockets.push(writing);
        readers.add(reading, epoch, delays.clone());
    }
    let rounds = plan.measure.as_secs() * PER_SECOND;
    let data = data.to_owned();
    let writer = std::thread::spawn(move || -> std::io::Result<()> {
        let start = Instant::now();
        for tick in 0..rounds {
            let due = start + Duration::from_micros(tick * 1_000_000 / PER_SECOND);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let text = format!(r#"{{"type":"telemetry","driverId":"car","data":{}}}"#, stamp(epoch, &data));
            let mut frame = vec![0x81, 0x7E];
            frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
            frame.extend_from_slice(text.as_bytes());
            for socket in &mut sockets {
                socket.write_all(&frame)?;
            }
        }
        Ok(())
    });
    let expected = rounds as usize * plan.subscribers;
    while !(writer.is_finished() && delays.borrow().len() >= expected) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    writer.join().ok().context("the writing loop panicked")??;
    Ok(percentiles(&mut delays.borrow_mut()))
}
