//! A relay agent of Slipstream: rkyv frames, durable acknowledgements.

use anyhow::{Context, Result, ensure};
use slipstream_protocol::{Sample, WireFormat, codec};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{servers::Target, websocket};

pub(super) struct Agent {
    stream: TcpStream,
    frame: Vec<u8>,
    heard: Vec<u8>,
}

impl Agent {
    pub(super) async fn connect(target: &Target, name: &str) -> Result<Self> {
        let stream = websocket::connect(target, &format!("?publisher={name}&ack=durable"), None).await?;
        Ok(Self { stream, frame: Vec::new(), heard: Vec::new() })
    }

    /// Sends a batch and waits for the acknowledgement of its last number.
    pub(super) async fn send(&mut self, samples: &[Sample]) -> Result<()> {
        self.frame.clear();
        websocket::put_frame(&mut self.frame, 2, &codec::encode_telemetry(WireFormat::Rkyv, samples));
        self.stream.write_all(&self.frame).await?;
        let last = samples.last().and_then(|s| s.seq).context("a batch has samples with numbers")?;
        let awaited = format!("\"ack\",\"seq\":{last},");
        self.heard.clear();
        while !websocket::contains(&self.heard, awaited.as_bytes()) {
            let read = self.stream.read_buf(&mut self.heard).await?;
            ensure!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&self.heard));
            ensure!(!websocket::contains(&self.heard, b"\"error\""), "refused: {}", String::from_utf8_lossy(&self.heard));
        }
        Ok(())
    }
}
