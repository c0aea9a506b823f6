//! That a connection is there, as others see it: gauges, its description, its outbox. All of it ends with the
//! connection, however that ends.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use slipstream_actors::Outbox;
use slipstream_protocol::CloseCode;

use crate::app::Services;

/// Counts a connection until it is dropped.
pub(super) struct Presence {
    services: Arc<Services>,
    number: u64,
    outbox: Arc<Outbox>,
}

impl Presence {
    pub(super) fn begin(services: Arc<Services>, number: u64, outbox: Arc<Outbox>) -> Self {
        services.counters.ws_opened.inc();
        services.counters.ws_connections.inc();
        Self { services, number, outbox }
    }

    /// Runs the connection to its end. A panic costs this connection alone: it is logged, counted, and the peer is
    /// told to come back.
    pub(super) async fn watch(self, connection: impl Future<Output = ()>) {
        if let Err(panic) = AssertUnwindSafe(connection).catch_unwind().await {
            panicked(&self.services, "ws_session", &*panic);
            self.outbox.close(CloseCode::Internal);
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.services.connections.forget(self.number);
        self.services.counters.ws_connections.dec();
        // Its writer ends with it, whatever became of the session.
        self.outbox.close(CloseCode::Normal);
    }
}

/// Logs and counts a task that panicked.
pub(super) fn panicked(services: &Services, task: &'static str, panic: &(dyn Any + Send)) {
    let reason = crate::http::panic_text(panic);
    tracing::error!(task, reason, "a task of a connection panicked; the connection is closed");
    services.counters.task_panicked(task);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::TaskLabel;
    use slipstream_actors::Drained;
    use slipstream_protocol::WireFormat;

    #[tokio::test]
    async fn a_connection_that_panics_is_counted_out_and_its_peer_is_told() {
        let data = tempfile::tempdir().unwrap();
        let config = crate::config::Config { bind: [127, 0, 0, 1].into(), port: 0, data_dir: data.path().into(), ..Default::default() };
        let server = crate::app::start(config).await.unwrap();
        let services = server.services().clone();
        let outbox = Outbox::new(WireFormat::Json, services.config.outbox_limits());
        let subscriber = services.router.connect(outbox.clone());
        services.connections.describe(7, "{}".to_owned());
        let presence = Presence::begin(services.clone(), 7, outbox.clone());
        assert_eq!(services.counters.ws_connections.get(), 1);
        presence
            .watch(async move {
                let _subscriber = subscriber;
                panic!("a fault of the session");
            })
            .await;
        assert_eq!(services.counters.ws_connections.get(), 0);
        assert!(services.connections.described().is_empty());
        assert_eq!(services.counters.task_panics.get_or_create(&TaskLabel { task: "ws_session" }).get(), 1);
        assert_eq!(services.router.stats().connections.get(), 0, "its subscriptions ended");
        assert_eq!(outbox.drain(&mut Vec::new()).await, Drained::Closed(CloseCode::Internal));
        server.shutdown().await;
    }
}
