//! Time-series stores against real servers.

use slipstream_tests::servers::{InfluxDb1, Postgres, VictoriaMetrics};

#[test]
fn servers_start_answer_and_stop() {
    if let Some(server) = Postgres::start() {
        assert!(std::net::TcpStream::connect(("127.0.0.1", server.port())).is_ok());
    }
    if let Some(server) = InfluxDb1::start_with_user("root", "secret") {
        assert!(server.url().starts_with("http://127.0.0.1:"));
    }
    drop(VictoriaMetrics::start());
}
