//! The Socket.IO door: the bus on the default namespace.
//!
//! Each client's events are carried out in the order in which it sent them, one after the other, by a
//! task of its own; answers go to the client, what the bus did to all. An event that asks for an acknowledgement gets
//! one, empty, once it has been carried out or refused; one that nobody knows at once.

mod door;
mod frame_limit;
mod gathering;
mod joining;
mod upgrade;

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::{Value, json};
use slipstream_actors::{AgentCommand, AgentView, CommandError};
use slipstream_protocol::{ChannelKind, Timestamp};
use socketioxide::{
    SocketIo,
    extract::{AckSender, SocketRef, TryData},
    handler::ConnectHandler as _,
    layer::SocketIoLayer,
    operators::BroadcastOperators,
    socket::Sid,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    app::Services,
    auth::{Credential, Registered, api_key::credential_of_bearer, missing_token, token_of},
    rl,
};
pub(crate) use door::Door;
use gathering::gather;
pub(crate) use joining::Joining;

/// Events of one client that wait; more are refused.
const WAITING: usize = 256;
/// Largest message of a client, bytes: commands are short.
const MAX_PAYLOAD: u64 = 64 << 10;
/// How often the end of a token is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);
/// How long after a client could not be disconnected that is tried again.
const DISCONNECT_AGAIN: Duration = Duration::from_millis(100);
/// Packets that wait for one client.
const MAX_BUFFER: usize = 1_024;

/// What an acknowledgement carries: nothing.
const NOTHING: [u8; 0] = [];

/// An event that waits, and what acknowledges it.
type Waiting = (Event, AckSender);

/// What a client asks for.
enum Event {
    Start,
    Reset,
    State,
    /// An action, or what is wrong with it.
    Step(Result<Option<usize>, String>),
}

/// The layer that serves Socket.IO, its handlers in place.
fn layer(services: &Arc<Services>) -> SocketIoLayer {
    let (layer, io) =
        SocketIo::builder().max_payload(MAX_PAYLOAD).max_buffer_size(MAX_BUFFER).connect_timeout(joining::JOIN_WITHIN).build_layer();
    let (on_connect, admission) = (services.clone(), services.clone());
    // In the closure itself, not in its future: the handlers are in place before the client's first event.
    let connected = move |socket: SocketRef| {
        connected(&on_connect, &socket);
        std::future::ready(())
    };
    let admitted = move |socket: SocketRef, TryData(auth): TryData<Value>| {
        let services = admission.clone();
        async move { admit(&services, &socket, auth.ok().as_ref()).await }
    };
    io.ns("/", connected.with(admitted));
    if let Some(mut changes) = services.bus.changes.take() {
        let (io, clock) = (io.clone(), services.clock.clone());
        tokio::spawn(async move {
            let mut together = Vec::new();
            while gather(&mut changes, &mut together).await {
                for change in together.drain(..) {
                    broadcast(&io, &change.view, clock.now()).await;
                }
            }
        });
    }
    // The door is made once; were it made twice the first one would stay the one that tells of its clients.
    let _ = services.bus.io.set(io);
    layer
}

/// Everyone on the bus's namespace; `None` once the door is closed, when asking for it in any other way panics.
fn everyone(io: &SocketIo) -> Option<BroadcastOperators> {
    io.of("/")
}

/// Ids of the clients connected now.
pub(crate) fn clients(services: &Services) -> Vec<String> {
    let sockets = services.bus.io.get().and_then(everyone).map(BroadcastOperators::sockets).unwrap_or_default();
    let mut ids: Vec<_> = sockets.iter().map(|s| s.id.to_string()).collect();
    ids.sort_unstable();
    ids
}

async fn broadcast(io: &SocketIo, view: &AgentView, now: slipstream_protocol::Timestamp) {
    let Some(update) = rl::BusUpdate::of(view, now) else { return };
    let Some(all) = everyone(io) else { return };
    if let Err(error) = all.emit("rl-update", &update).await {
        // A client that does not read has no room left; it hears the next ones when it does.
        tracing::debug!(%error, "an update did not reach every client");
    }
}

/// Who may come in: anyone where the door is open, otherwise who shows a token that may hear the bus.
async fn admit(services: &Services, socket: &SocketRef, auth: Option<&Value>) -> Result<(), String> {
    if services.config.rl.open {
        return Ok(());
    }
    check_token(services, socket, auth).await
}

async fn check_token(services: &Services, socket: &SocketRef, auth: Option<&Value>) -> Result<(), String> {
    let request = socket.req_parts();
    let header = request.headers.get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let given = auth.and_then(|auth| auth.get("token")).and_then(Value::as_str);
    let token = given.map(Cow::Borrowed).or_else(|| token_of(header, request.uri.query()));
    let token = token.ok_or_else(|| missing_token().message)?.into_owned();
    let credential = credential_of_bearer(services, &token).await.map_err(|error| error.message)?;
    let claims = &credential.claims;
    let channel = slipstream_protocol::Channel::one(ChannelKind::Rl, services.bus.agent.clone());
    if !claims.may_drive() || !claims.may_hear(&channel) {
        return Err("this token may not drive the bus: role admin or engineer is needed".to_owned());
    }
    socket.extensions.insert(credential);
    Ok(())
}

/// Greets a client and takes its events.
fn connected(services: &Arc<Services>, socket: &SocketRef) {
    services.counters.socketio_connections.inc();
    if let Some(place) = socket.req_parts().extensions.get::<joining::Place>() {
        place.leave();
    }
    let view = services.bus.view();
    let algorithm = view.as_ref().and_then(|v| v.policy.as_ref()).map(|p| p.policy.description().algorithm.clone());
    let (loaded, ready) = (view.is_some(), view.is_some_and(|v| v.state.is_some()));
    let status = json!({ "status": "connected", "model_loaded": loaded, "env_ready": ready, "algorithm": algorithm });
    answer(socket, "connection-status", &status);

    let (queue, events) = mpsc::channel(WAITING);
    listen(socket, "start-episode", queue.clone(), |_| Event::Start);
    listen(socket, "reset", queue.clone(), |_| Event::Reset);
    listen(socket, "get-state", queue.clone(), |_| Event::State);
    listen(socket, "step", queue, |data| Event::Step(action_of(data.as_ref())));
    socket.on_fallback(|ack: AckSender| {
        acknowledge(ack);
        std::future::ready(())
    });
    let services_then = services.clone();
    socket.on_disconnect(move || {
        services_then.counters.socketio_connections.dec();
        std::future::ready(())
    });
    // The queue closes with the socket's handlers; until then this task keeps no socket alive but by name.
    let (services, id) = (services.clone(), socket.id);
    let life = Life::of(&services, socket.extensions.get::<Credential>());
    tokio::spawn(serve(services, id, events, life));
}

/// How long a client may stay: as long as its token or key is good. Where the door is open it has none.
struct Life {
    registered: Option<Registered>,
    expires_at: Option<Timestamp>,
}

impl Life {
    fn of(services: &Services, credential: Option<Credential>) -> Self {
        // The door closes by itself at a drain.
        let register = |credential| services.revocations.register(credential, &CancellationToken::new());
        Self { registered: credential.as_ref().map(register), expires_at: credential.map(|credential| credential.expires_at) }
    }

    /// Returns when the token or key has ended or was revoked.
    async fn over(&self, services: &Services) {
        let Some((registered, expires_at)) = self.registered.as_ref().zip(self.expires_at) else {
            return std::future::pending().await;
        };
        loop {
            let now = services.clock.now();
            if expires_at <= now {
                return;
            }
            tokio::select! {
                () = registered.stop.cancelled() => return,
                // The wall clock may be set in between.
                () = tokio::time::sleep(expires_at.since(now).min(LOOK_AGAIN)) => {}
            }
        }
    }
}

/// Puts an event into the client's queue, in the order in which it arrives: the closure runs before the next
/// event is read, its future only afterwards.
fn listen(
    socket: &SocketRef,
    name: &'static str,
    queue: mpsc::Sender<Waiting>,
    read: impl Fn(Option<Value>) -> Event + Copy + Send + Sync + 'static,
) {
    socket.on(name, move |socket: SocketRef, TryData(data): TryData<Value>, ack: AckSender| {
        if let Err(full) = queue.try_send((read(data.ok()), ack)) {
            complain(&socket, &format!("more than {WAITING} events wait: send slower"));
            acknowledge(full.into_inner().1);
        }
        std::future::ready(())
    });
}

/// Carries out a client's events, one after the other, until it is gone.
async fn serve(services: Arc<Services>, id: Sid, mut events: mpsc::Receiver<Waiting>, life: Life) {
    let socket = || services.bus.io.get().and_then(everyone).and_then(|all| all.get_socket(id));
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = life.over(&services) => {
                // The packet that says so needs a place in what waits for the client.
                while socket().is_some_and(|socket| socket.disconnect().is_err()) {
                    tokio::time::sleep(DISCONNECT_AGAIN).await;
                }
                return;
            }
        };
        let Some(((event, ack), socket)) = event.zip(socket()) else { return };
        services.counters.socketio_events.inc();
        if let Err(error) = carry_out(&services, &socket, event).await {
            complain(&socket, &error);
        }
        // After the answer, as callers of Flask-SocketIO know it.
        acknowledge(ack);
    }
}

/// Acknowledges an event that asks for it.
fn acknowledge(ack: AckSender) {
    if let Err(error) = ack.send(&NOTHING) {
        tracing::debug!(%error, "a Socket.IO client did not get its acknowledgement");
    }
}

async fn carry_out(services: &Services, socket: &SocketRef, event: Event) -> Result<(), String> {
    let command = |command| async { services.bus.command(command).await.map_err(|error| told(&error)) };
    match event {
        Event::Start => {
            let view = command(AgentCommand::Start { seed: None }).await?;
            answer(socket, "episode-started", &json!({ "status": "success", "episode": view.episode }));
        }
        Event::Reset => {
            command(AgentCommand::Reset { seed: None }).await?;
            answer(socket, "episode-reset", &json!({ "status": "success" }));
        }
        Event::State => {
            let view = services.bus.view().ok_or_else(|| "No model loaded".to_owned())?;
            if let Some(io) = services.bus.io.get() {
                broadcast(io, &view, services.clock.now()).await;
            }
        }
        Event::Step(action) => {
            if services.bus.view().is_none() {
                return Err("No model loaded".to_owned());
            }
            let view = command(AgentCommand::Step { action: action? }).await?;
            if let Some(last) = view.last.filter(|last| last.terminated || last.truncated) {
                let complete = json!({
                    "status": "completed",
                    "total_reward": view.total_reward,
                    "steps": view.state.as_ref().and_then(steps),
                    "reason": if last.terminated { "terminated" } else { "truncated" },
                });
                answer(socket, "episode-complete", &complete);
            }
        }
    }
    Ok(())
}

fn steps(state: &slipstream_engine::rl::AnyState) -> Option<u32> {
    match state {
        slipstream_engine::rl::AnyState::Daladala(bus) => Some(bus.step_count),
        slipstream_engine::rl::AnyState::Avoidance(_) => None,
    }
}

fn told(error: &CommandError) -> String {
    error.to_string()
}

/// The action of a `step`: absent, or a whole number.
fn action_of(data: Option<&Value>) -> Result<Option<usize>, String> {
    let action = match data {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(fields)) => fields.get("action"),
        Some(_) => return Err("step takes an object: {\"action\": 0 to 4} or {}".to_owned()),
    };
    match action {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let whole = value.as_u64().and_then(|n| usize::try_from(n).ok());
            whole.map(Some).ok_or_else(|| "action must be a whole number from 0 to 4".to_owned())
        }
    }
}

fn complain(socket: &SocketRef, message: &str) {
    answer(socket, "error", &json!({ "message": message }));
}

fn answer(socket: &SocketRef, event: &str, data: &Value) {
    if let Err(error) = socket.emit(event, data) {
        tracing::debug!(%error, event, "a Socket.IO client did not get its answer");
    }
}
