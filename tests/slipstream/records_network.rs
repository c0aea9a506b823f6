//! PostgreSQL over TLS and behind a pooler; and what is a wrong configuration, as opposed to an outage.

use std::{io::Write as _, net::TcpListener};

use futures_util::future::join_all;
use slipstream_actors::ports::{Page, Records as _, RecordsError, Session, SessionRecords as _};
use slipstream_gateway::records::{self, SqlRecords};
use slipstream_protocol::{SessionId, Timestamp, VehicleId};
use slipstream_tests::{
    authority::{Authority, Certificate},
    port,
    servers::{PgBouncer, Postgres},
};

use crate::records::suite;

fn session(name: &str) -> Session {
    let created_at = Timestamp::from_millis(1_760_000_000_000);
    Session { id: SessionId::new(name).unwrap(), driver: VehicleId::new("HAM").unwrap(), name: name.to_owned(), track: None, created_at }
}

/// Sixteen clients at once, so many writes and reads each.
async fn work(records: &SqlRecords, round: &str) {
    let clients = (0..16).map(|client| async move {
        for write in 0..10 {
            let made = session(&format!("{round}-{client}-{write}"));
            records.create_session(made.clone()).await.unwrap();
            assert_eq!(records.session(&made.id).await.unwrap(), Some(made));
        }
    });
    join_all(clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_that_pools_by_transaction_everything_is_stored_and_a_restart_works() {
    let Some(postgres) = Postgres::start() else { return };
    let Some(pooler) = PgBouncer::start(&postgres) else { return };
    let first = SqlRecords::postgres(&pooler.url()).await.unwrap();
    suite(&first).await;
    work(&first, "first").await;
    // Beside it, as after a kill: its connections, and whatever was prepared on them, are still there.
    let second = SqlRecords::postgres(&pooler.url()).await.unwrap();
    tokio::join!(work(&first, "beside"), work(&second, "second"));
    let all = second.sessions(None, Page { number: 1, size: 1 }).await.unwrap().total;
    assert!(all >= 3 * 160, "{all}");
    first.close().await;
    second.close().await;

    // Many at once bring the schema up to date once.
    let Some(fresh) = Postgres::start() else { return };
    let Some(pooler) = PgBouncer::start(&fresh) else { return };
    for records in join_all((0..6).map(|_| async { SqlRecords::postgres(&pooler.url()).await })).await {
        records.unwrap().ping().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_the_migrator_that_came_before_is_known_again() {
    let Some(postgres) = Postgres::start() else { return };
    let records = SqlRecords::postgres(&postgres.url()).await.unwrap();
    work(&records, "direct").await;
    records.close().await;
    SqlRecords::postgres(&postgres.url()).await.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_over_tls_to_a_server_that_demands_it() {
    let authority = Authority::new();
    let Certificate { certificate, key } = authority.issue("localhost");
    let Some(postgres) = Postgres::start_with_tls(&certificate, &key) else { return };
    let address = |host: &str, parameters: &str| format!("postgres://postgres@{host}:{}/postgres?{parameters}", postgres.port());
    let root = format!("sslrootcert={}", authority.file().display());
    let good = [
        address("localhost", "sslmode=require"),
        address("localhost", "sslmode=prefer"),
        address("localhost", ""),
        address("localhost", &format!("sslmode=verify-full&{root}")),
        address("127.0.0.1", &format!("sslmode=verify-ca&{root}")),
        address("127.0.0.1", &format!("sslmode=require&{root}")),
    ];
    for (round, good) in good.iter().enumerate() {
        let records = SqlRecords::postgres(good).await.unwrap_or_else(|error| panic!("{good}: {error}"));
        records.ping().await.unwrap();
        work(&records, &format!("tls-{round}")).await;
        records.close().await;
    }
    let stranger = Authority::new();
    let unknown = format!("sslmode=verify-full&sslrootcert={}", stranger.file().display());
    for (bad, told) in [
        (address("localhost", "sslmode=verify-full"), "sslrootcert"),
        (address("localhost", &unknown), "SSL_CERT_FILE"),
        (address("localhost", &format!("sslmode=require&sslrootcert={}", stranger.file().display())), "sslrootcert"),
        (address("127.0.0.1", &format!("sslmode=verify-full&{root}")), "sslmode=verify-ca"),
        (address("localhost", "sslmode=disable"), "sslmode=require"),
        (address("localhost", "sslmode=require").replace("postgres@", "ann:wrong@"), "password"),
    ] {
        refused(&bad, told).await;
    }
}

async fn refused(url: &str, told: &str) {
    let outcome = records::open(Some(url), &std::env::temp_dir().join("slipstream-nowhere")).await;
    match outcome {
        Err(error @ RecordsError::Refused(_)) => assert!(error.to_string().contains(told), "{url}: {error}"),
        Err(error) => panic!("{url}: an outage: {error}"),
        Ok(_) => panic!("{url} is taken"),
    }
}

/// Answers every connection as a web server would.
fn web_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_ends_the_start_and_an_outage_does_not() {
    let Some(postgres) = Postgres::start() else { return };
    let url = postgres.url();
    for (bad, told) in [
        (format!("{url}?sslmode=require"), "offers no TLS"),
        (format!("{url}?sslmode=verify-full"), "offers no TLS"),
        (format!("{url}?sslmode=sometimes"), "sometimes"),
        (format!("{url}?sslmode=verify-full&sslrootcert=/nowhere.pem"), "/nowhere.pem"),
        (format!("{url}_unknown"), "postgres_unknown"),
        (url.replace("postgres@", "nobody@"), "nobody"),
        (url.replace("postgres://", "mysql://"), "DATABASE_URL"),
        (format!("postgres://postgres@127.0.0.1:{}/postgres", web_server()), "PostgreSQL's protocol"),
    ] {
        refused(&bad, told).await;
    }
    let away = format!("postgres://postgres@127.0.0.1:{}/postgres", port::free());
    let records = SqlRecords::postgres(&away).await.unwrap();
    assert!(records.ping().await.unwrap_err().is_retryable());
    let Some(pooler) = PgBouncer::start_pooling(&postgres, "statement") else { return };
    refused(&pooler.url(), "by transaction or by session").await;
    // A database that it has no user for is a mistake of its configuration, in its words.
    refused(&format!("{}_unknown", pooler.url()), "bouncer config error").await;
}
