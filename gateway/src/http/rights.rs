//! Every operation is called with every right there is.

use reqwest::{Client, StatusCode};
use slipstream_protocol::token::{Claims, Role};

use super::{
    operation::{Access, Operation},
    operations,
};
use crate::{app, config::Config};

/// Each role, and an engineer whose token is of one vehicle.
fn callers() -> Vec<Claims> {
    let claims = |role| Claims { sub: "somebody".into(), exp: 4_000_000_000, iat: None, role, channels: None, publish: None };
    let narrowed = Claims { channels: Some(vec!["telemetry:a".parse().unwrap()]), ..claims(Role::Engineer) };
    Role::ALL.into_iter().map(claims).chain([narrowed]).collect()
}

/// Whether an operation is for a caller at all, said once more and independently of [`Access::check`].
fn is_for(operation: &Operation, caller: &Claims) -> bool {
    match operation.access {
        Access::Open | Access::Token => true,
        Access::Manager => caller.role == Role::Admin || (caller.role == Role::Engineer && caller.channels.is_none()),
        Access::Operator => matches!(caller.role, Role::Admin | Role::Engineer),
        Access::Admin => caller.role == Role::Admin,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_lets_in_whom_its_row_names_and_nobody_else() {
    let data = tempfile::tempdir().unwrap();
    let config = Config { bind: [127, 0, 0, 1].into(), port: 0, data_dir: data.path().into(), ..Default::default() };
    let server = app::start(config).await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let status = async |operation: &Operation, token: Option<String>| {
        // What is not there, and a body that no operation takes: rights are looked at before either.
        let path = operation.path.split('/').map(|part| if part.starts_with('{') { "nobody" } else { part }).collect::<Vec<_>>().join("/");
        let request = client.request(operation.method.clone(), format!("{}{path}", server.url())).body("?");
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap().status()
    };
    for operation in operations() {
        let which = format!("{} {}", operation.method, operation.path);
        let without = status(operation, None).await;
        assert_eq!(
            without == StatusCode::UNAUTHORIZED,
            operation.access != Access::Open && operation.path != "/api/auth/login",
            "{which}: {without}"
        );
        for caller in callers() {
            let token = server.services().auth.mint(&caller).unwrap();
            let answered = status(operation, Some(token)).await;
            if !is_for(operation, &caller) {
                assert_eq!(answered, StatusCode::FORBIDDEN, "{which} as {caller:?}");
            } else if caller.role == Role::Admin {
                assert!(answered != StatusCode::FORBIDDEN && answered != StatusCode::UNAUTHORIZED, "{which} as {caller:?}: {answered}");
            }
        }
    }
    server.shutdown().await;
}

/// The rows of the page that lists the operations.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/book/look-up/rest.md");

#[test]
fn the_page_of_the_book_has_the_rows_of_the_table() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let row = |operation: &Operation| {
        let (method, path) = (&operation.method, operation.path);
        format!("| `{method} {path}` | {} | {} |", operation.access.holders(), operation.summary.replace('|', "\\|"))
    };
    let expected: Vec<String> = operations().map(row).collect();
    let begins = "| method and path | who | what |\n|---|---|---|\n";
    let (before, rest) = page.split_once(begins).expect("the table of operations");
    let (table, after) = rest.split_once("\n\n").expect("a text below it");
    let others: Vec<&str> = table.lines().filter(|line| !line.contains("/api/") && !expected.iter().any(|row| row == line)).collect();
    let written = format!("{before}{begins}{}\n\n{after}", [expected.join("\n"), others.join("\n")].join("\n"));
    if std::env::var_os("SLIPSTREAM_WRITE_PAGES").is_some() {
        std::fs::write(PAGE, &written).unwrap();
    } else {
        assert!(page == written, "docs/book/look-up/rest.md is not what the code says: SLIPSTREAM_WRITE_PAGES=1 writes it");
    }
}
