//! One connection: reads, decodes, answers, and ends it properly.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use slipstream_actors::{Outbox, Subscriber, ports::JournalError};
use slipstream_protocol::{
    AgentId, Channel, ChannelKind, CloseCode, ErrorCode, ProtocolError, WireFormat,
    client::{ClientFrame, RequestId, RlCommand},
    codec::Decoder,
    server::{AckLevel, Lateness, Reply},
    ws,
};
use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{
    Admission,
    acks::{Acks, Broken, Kept},
    frames::{FrameReader, Incoming},
    level_of,
    presence::{Presence, panicked},
    telemetry::Gathered,
    writer,
};
use crate::{
    app::Services,
    ingest::{Flow, Judge, Publisher},
    rate::Limited,
    rl,
};

/// Room for one read.
const READ_ROOM: usize = 16 << 10;
/// Room for one read after one that was filled: the peer sends faster than that.
const READ_ROOM_FAST: usize = 64 << 10;
/// How long promises may take to be kept after the connection ended.
const SETTLE: Duration = Duration::from_secs(5);
/// How long a closed peer may take to close its side.
const LINGER: Duration = Duration::from_secs(2);

/// Why reading ended.
pub(super) enum End {
    /// The peer is gone.
    Gone,
    /// The connection is to be closed with this code.
    Close(CloseCode),
    /// The writer has closed it already.
    Closed,
    /// The server drains: what was promised is kept, then all close together.
    Draining,
    /// Its token or key was revoked: nothing more is sent to it.
    Revoked,
}

/// A connection's reading side.
pub(super) struct Session {
    pub(super) services: Arc<Services>,
    pub(super) admission: Admission,
    pub(super) publisher: Publisher,
    pub(super) level: AckLevel,
    pub(super) acks: Acks,
    /// What it has brought in, for its place in the line.
    pub(super) flow: Flow,
    /// Bytes since others on this thread last had their turn.
    pub(super) unshared: usize,
    /// Samples that have arrived and are not handed in yet.
    pub(super) gathered: Gathered,
    pub(super) judge: Judge,
    /// What of its samples so far is late.
    pub(super) lateness: Lateness,
    read_room: usize,
    number: u64,
    outbox: Arc<Outbox>,
    subscriber: Subscriber,
    /// Made when the first message arrives: most idle connections only listen.
    decoder: Option<Box<Decoder>>,
    refused_in_a_row: u32,
    refused_now: bool,
    last_heard: Instant,
    pinged: bool,
}

/// Serves one upgraded connection until it ends.
pub(super) async fn run(services: Arc<Services>, number: u64, admission: Admission, stream: TcpStream, already_read: &[u8]) {
    let format = admission.handshake.format;
    tracing::debug!(?format, "open");
    let outbox = Outbox::new(format, services.config.outbox_limits());
    let presence = Presence::begin(services.clone(), number, outbox.clone());
    presence.watch(begin(services, number, admission, outbox, stream, already_read)).await;
    tracing::debug!("gone");
}

async fn begin(services: Arc<Services>, number: u64, admission: Admission, outbox: Arc<Outbox>, stream: TcpStream, already_read: &[u8]) {
    let (read, write) = stream.into_split();
    let writer = tokio::spawn(writer::run(write, outbox.clone(), services.clone()));
    let publisher = match &admission.publisher {
        Some(id) => services.ledger.publisher_of(&admission.claims.sub, id),
        None => Publisher::anonymous(),
    };
    let frames = FrameReader::new(services.config.limits.max_frame_bytes, already_read);
    let session = Session {
        subscriber: services.router.connect(outbox.clone()),
        level: admission.level,
        acks: Acks::default(),
        flow: Flow::default(),
        unshared: 0,
        gathered: Gathered::default(),
        judge: Judge::default(),
        lateness: Lateness::default(),
        read_room: READ_ROOM,
        decoder: None,
        refused_in_a_row: 0,
        refused_now: false,
        last_heard: Instant::now(),
        pinged: false,
        services: services.clone(),
        admission,
        publisher,
        number,
        outbox,
    };
    session.serve(read, frames, writer).await;
}

impl Session {
    async fn serve(mut self, read: OwnedReadHalf, mut frames: FrameReader, mut writer: JoinHandle<()>) {
        let end = self.read_until_end(&read, &mut frames, &mut writer).await;
        drop(frames);
        if matches!(end, End::Revoked) {
            // Before its promises are kept, which may take a while: it hears nothing more.
            self.outbox.close(CloseCode::TokenExpired);
        }
        let settled = timeout(SETTLE, self.settle()).await;
        match end {
            End::Gone => self.outbox.close(CloseCode::Normal),
            End::Close(code) => self.outbox.close(code),
            End::Revoked => {}
            End::Closed => return linger(&read).await,
            End::Draining => {
                let close = self.services.connections.close.clone();
                tokio::select! {
                    () = close.cancelled() => self.outbox.close(CloseCode::GoingAway),
                    ended = &mut writer => return self.writer_ended(ended),
                }
            }
        }
        if settled.is_err() {
            tracing::warn!("promises were still open when the connection ended; the publisher will send again");
        }
        // The writer gives up by itself on a peer that does not read.
        let ended = writer.await;
        self.writer_ended(ended);
        if !matches!(end, End::Gone) {
            linger(&read).await;
        }
    }

    async fn read_until_end(&mut self, read: &OwnedReadHalf, frames: &mut FrameReader, writer: &mut JoinHandle<()>) -> End {
        let stop = self.admission.registered.stop.clone();
        loop {
            if let Err(end) = self.take_all(frames).await {
                return end;
            }
            frames.rest();
            let wake = self.next_deadline();
            tokio::select! {
                () = stop.cancelled() => return self.stopped(),
                ended = &mut *writer => {
                    self.writer_ended(ended);
                    return End::Closed;
                }
                kept = self.acks.next(), if !self.acks.is_empty() => {
                    if let Err(end) = self.promise_kept(kept) {
                        return end;
                    }
                }
                ready = read.readable(), if !self.is_window_full() => {
                    if let Err(end) = ready.map_err(|_| End::Gone).and_then(|()| self.read(read, frames)) {
                        return end;
                    }
                }
                () = tokio::time::sleep_until(wake) => {
                    if let Err(end) = self.check_deadlines() {
                        return end;
                    }
                }
            }
        }
    }

    /// Why it was told to stop: the server drains, or this connection's token was revoked.
    pub(super) fn stopped(&self) -> End {
        if self.services.connections.is_draining() { End::Draining } else { End::Revoked }
    }

    /// Notes a writer that panicked: nothing reaches the peer any more.
    fn writer_ended(&mut self, ended: Result<(), tokio::task::JoinError>) {
        if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            panicked(&self.services, "ws_writer", &*panic);
            self.outbox.close(CloseCode::Internal);
        }
    }

    fn read(&mut self, read: &OwnedReadHalf, frames: &mut FrameReader) -> Result<(), End> {
        let buffer = frames.buffer();
        buffer.reserve(self.read_room);
        let room = buffer.capacity() - buffer.len();
        match read.try_read_buf(buffer) {
            Ok(0) => Err(End::Gone),
            Ok(filled) => {
                self.read_room = if filled == room { READ_ROOM_FAST } else { READ_ROOM };
                self.last_heard = Instant::now();
                self.pinged = false;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(End::Gone),
        }
    }

    /// Takes every whole message that has arrived; stops early where the window of promises is full.
    async fn take_all(&mut self, frames: &mut FrameReader) -> Result<(), End> {
        let end = self.take_each(frames).await;
        if matches!(end, Err(End::Draining | End::Revoked)) {
            return end;
        }
        // What came before a bad frame or a close was good.
        let handed_in = self.hand_in().await;
        end.and(handed_in)
    }

    async fn take_each(&mut self, frames: &mut FrameReader) -> Result<(), End> {
        let stop = self.admission.registered.stop.clone();
        let mut waited = false;
        while let Some(incoming) = frames.next().map_err(End::Close)? {
            match incoming {
                Incoming::Message(format, payload) => self.message(format, &payload).await?,
                Incoming::Ping(payload) => self.outbox.control(ws::frame(ws::PONG, &payload)),
                Incoming::Pong => {}
                Incoming::Close(code) => return Err(End::Close(code)),
            }
            while self.is_window_full() {
                let kept = tokio::select! {
                    kept = self.acks.next() => kept,
                    // What is read already and not admitted will be sent again: the actors are about to be saved.
                    () = stop.cancelled() => return Err(self.stopped()),
                };
                self.promise_kept(kept)?;
            }
            if stop.is_cancelled() {
                self.hand_in().await?;
                return Err(self.stopped());
            }
            waited = true;
        }
        if waited {
            // It may have taken long, and nobody listened meanwhile.
            self.last_heard = Instant::now();
        }
        Ok(())
    }

    /// Whether nothing more is read until a promise is kept.
    fn is_window_full(&self) -> bool {
        let bounds = &self.services.config.ws;
        self.acks.is_full(bounds.window, bounds.window_bytes)
    }

    async fn message(&mut self, format: WireFormat, payload: &Bytes) -> Result<(), End> {
        self.services.counters.ws_messages_in.inc();
        let now = self.services.clock.now();
        let decoder = self.decoder.get_or_insert_with(|| Box::new(Decoder::new(self.services.config.decoder_limits())));
        self.refused_now = false;
        let decoded = decoder.decode(format, payload, now);
        let count = if let Ok(ClientFrame::Telemetry(frame)) = &decoded { frame.samples.len() } else { 1 };
        if let Err(limited) = self.services.rates.samples_of(self.admission.token, count) {
            self.hand_in().await?;
            // Boxed: rare, and its timer would otherwise be kept in every connection's task.
            Box::pin(self.slow_down(limited, count)).await?;
        }
        let good = match decoded {
            Ok(ClientFrame::Telemetry(frame)) => self.telemetry(frame, payload.len()).await?,
            Ok(frame) => {
                // It hears what came before it.
                self.hand_in().await?;
                // Boxed: rare, and its states would otherwise be kept in every connection's task.
                Box::pin(self.other(frame)).await?;
                !self.refused_now
            }
            Err(refused) => {
                self.refuse(refused.id, refused.seq, &refused.error);
                false
            }
        };
        if good {
            self.refused_in_a_row = 0;
            return Ok(());
        }
        self.refused_in_a_row += u32::from(self.refused_now);
        if self.refused_in_a_row >= self.services.config.ws.max_refusals {
            return Err(End::Close(CloseCode::TooManyErrors));
        }
        Ok(())
    }

    /// Waits until `count` more samples of this token may come. Nothing more is read meanwhile.
    async fn slow_down(&mut self, mut limited: Limited, count: usize) -> Result<(), End> {
        loop {
            tokio::select! {
                () = self.admission.registered.stop.cancelled() => return Err(self.stopped()),
                () = tokio::time::sleep(limited.wait) => {}
            }
            match self.services.rates.samples_of(self.admission.token, count) {
                Ok(()) => return Ok(()),
                // Another connection of the token was quicker.
                Err(still) => limited = still,
            }
        }
    }

    async fn other(&mut self, frame: ClientFrame) -> Result<(), End> {
        match frame {
            ClientFrame::Subscribe(request) => {
                if self.admission.claims.may_hear(&request.channel) {
                    // It may wait for the reader to get on with what it missed.
                    let stop = self.admission.registered.stop.clone();
                    tokio::select! {
                        () = self.services.router.subscribe(&self.subscriber, request) => {}
                        () = stop.cancelled() => return Err(self.stopped()),
                    }
                } else {
                    let message = format!("this token may not hear '{}'", request.channel);
                    self.refuse(request.id, None, &ProtocolError::new(ErrorCode::Forbidden, message));
                }
            }
            ClientFrame::Unsubscribe { channel, id } => self.services.router.unsubscribe(&self.subscriber, &channel, id).await,
            ClientFrame::Ping { id } => self.outbox.reply(&Reply::Pong { id }),
            ClientFrame::Config(text) => self.configure(text),
            ClientFrame::Rl { agent, command, id } => self.drive(agent, command, id).await,
            ClientFrame::Video(upload) => {
                if let Err(error) = crate::http::video_frame(&self.services, &self.admission.claims, upload).await {
                    self.refuse(None, None, &ProtocolError::new(error.code, error.message));
                }
            }
            // Taken by `message` before.
            ClientFrame::Telemetry(frame) => {
                self.telemetry(frame, 0).await?;
            }
        }
        Ok(())
    }

    /// Tells an agent what to do; the answer says where it stands then.
    async fn drive(&mut self, agent: AgentId, command: RlCommand, id: Option<RequestId>) {
        let (claims, channel) = (&self.admission.claims, Channel::one(ChannelKind::Rl, agent.clone()));
        let allowed = claims.may_hear(&channel) && (claims.may_drive() || command == RlCommand::State);
        if !allowed {
            let message = format!("this token may not drive '{channel}'");
            return self.refuse(id, None, &ProtocolError::new(ErrorCode::Forbidden, message));
        }
        match self.services.router.command(&agent, rl::agent_command(command)).await {
            Ok(view) => self.outbox.reply(&Reply::RlDone { channel, id, agent: rl::agent_json(&view).to_string().into() }),
            Err(error) => self.refuse(id, None, &rl::refusal(&error)),
        }
    }

    fn configure(&mut self, text: String) {
        #[derive(serde::Deserialize)]
        struct Wishes {
            #[serde(default)]
            ack: Option<serde_json::Value>,
        }
        let invalid = |message: String| ProtocolError::new(ErrorCode::ValidationError, message);
        match serde_json::from_str(&text).map_err(|error| invalid(format!("'config': {error}"))) {
            Ok(Wishes { ack: None }) => {}
            Ok(Wishes { ack: Some(ack) }) => match ack.as_str().and_then(level_of) {
                Some(level) => self.level = level,
                None => self.refuse(None, None, &invalid("'ack' must be received, durable or stored".into())),
            },
            Err(error) => self.refuse(None, None, &error),
        }
        self.services.connections.describe(self.number, text);
    }

    /// Answers with an error frame; the connection stays.
    pub(super) fn refuse(&mut self, id: Option<RequestId>, seq: Option<u64>, error: &ProtocolError) {
        self.refuse_at(id, seq, None, error);
    }

    /// Answers with an error frame that names a sample by its number and its place in the batch.
    pub(super) fn refuse_at(&mut self, id: Option<RequestId>, seq: Option<u64>, index: Option<usize>, error: &ProtocolError) {
        self.refused_now = true;
        self.services.counters.refuse(error.code);
        self.outbox.reply(&Reply::Error { id, seq, index, code: error.code, message: error.message.clone() });
    }

    /// Acknowledges everything up to the number kept.
    pub(super) fn acknowledge(&self, kept: Kept) {
        let Some(seq) = kept.seq else { return };
        self.services.counters.acks.inc();
        self.outbox.reply(&Reply::Ack { seq, level: self.level, unstored: kept.unstored, lateness: self.lateness });
    }

    fn promise_kept(&mut self, kept: Result<Kept, Broken>) -> Result<(), End> {
        let broken = match kept {
            Ok(kept) => {
                self.acknowledge(kept);
                return Ok(());
            }
            Err(broken) => broken,
        };
        self.acknowledge(broken.kept);
        let retryable = broken.error.is_retryable() || matches!(broken.error, JournalError::Closed);
        let code = if retryable { ErrorCode::Unavailable } else { ErrorCode::TooLarge };
        self.refuse(None, broken.seq.filter(|_| !retryable), &ProtocolError::new(code, broken.error.to_string()));
        if retryable {
            // What was not kept is not acknowledged; the publisher comes back and sends it again.
            tracing::warn!(error = %broken.error, "samples could not be kept");
            return Err(End::Close(CloseCode::Internal));
        }
        // It will never be kept: acknowledged past, as any refused sample.
        self.acknowledge(Kept { seq: broken.seq, unstored: 0 });
        Ok(())
    }

    /// Keeps the promises that are still open.
    async fn settle(&mut self) {
        while !self.acks.is_empty() {
            let kept = self.acks.next().await;
            if self.promise_kept(kept).is_err() {
                tracing::debug!("a promise was broken at the end");
            }
        }
    }

    fn next_deadline(&self) -> Instant {
        let limits = &self.services.config.ws;
        let quiet = self.last_heard + if self.pinged { limits.idle_timeout } else { limits.ping_after.min(limits.idle_timeout) };
        // At most an hour ahead: the wall clock may be set in between.
        let lifetime = self.admission.expires_at.since(self.services.clock.now()).min(Duration::from_secs(3_600));
        quiet.min(Instant::now() + lifetime)
    }

    fn check_deadlines(&mut self) -> Result<(), End> {
        if self.admission.expires_at <= self.services.clock.now() {
            return Err(End::Close(CloseCode::TokenExpired));
        }
        if self.is_window_full() {
            // It is we who do not listen.
            self.last_heard = Instant::now();
        }
        let (quiet, limits) = (self.last_heard.elapsed(), &self.services.config.ws);
        if quiet >= limits.idle_timeout {
            return Err(End::Close(CloseCode::IdleTimeout));
        }
        if quiet >= limits.ping_after && !self.pinged {
            self.pinged = true;
            self.outbox.control(ws::frame(ws::PING, b""));
        }
        Ok(())
    }
}

/// Reads what the peer still sends into nothing until it closes: closing with unread bytes would
/// reset the connection, and the peer might never see why it was closed.
async fn linger(read: &OwnedReadHalf) {
    let drained = timeout(LINGER, async {
        let mut scrap = [0; 512];
        loop {
            if read.readable().await.is_err() {
                return;
            }
            match read.try_read(&mut scrap) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    });
    if drained.await.is_err() {
        tracing::debug!("the peer did not close its side in time");
    }
}
