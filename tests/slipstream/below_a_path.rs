//! Behind a proxy that puts the server below a path of its own and strips it: the pages find all they load.

use std::collections::{HashMap, HashSet, VecDeque};

use reqwest::{Client, StatusCode, Url};
use slipstream_tests::gateway::Gateway;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const PREFIX: &str = "/telemetry";

/// Passes on what is asked below [`PREFIX`], one request a connection; everything else is 404.
struct StrippingProxy {
    url: Url,
    task: JoinHandle<()>,
}

impl StrippingProxy {
    async fn start(gateway: &Gateway) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{PREFIX}/", listener.local_addr().unwrap()).parse().unwrap();
        let upstream = gateway.server().addr;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(async move { pass(client, upstream).await.unwrap_or_default() });
            }
        });
        Self { url, task }
    }
}

impl Drop for StrippingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, upstream: std::net::SocketAddr) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let (line, rest) = head.split_once("\r\n").unwrap();
    let Some(stripped) = line.strip_prefix(&format!("GET {PREFIX}/")) else {
        return client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    };
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(format!("GET /{stripped}\r\nconnection: close\r\n{rest}").as_bytes()).await?;
    tokio::io::copy(&mut server, &mut client).await?;
    client.shutdown().await
}

/// What a page or a module asks for next: attributes of HTML, imports of modules.
fn references(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for mark in ["href=\"", "src=\"", "from '", "import '", "href="] {
        for piece in text.split(mark).skip(1) {
            let end = piece.find(['"', '\'', '>', '\n', ' ']).unwrap_or(piece.len());
            if !piece[..end].is_empty() {
                found.push(piece[..end].to_owned());
            }
        }
    }
    found
}

#[tokio::test]
async fn every_page_finds_what_it_loads_below_the_proxys_path() {
    let gateway = Gateway::start().await;
    let proxy = StrippingProxy::start(&gateway).await;
    let client = Client::new();
    let mut open: VecDeque<Url> = ["", "pipelines", "rl", "docs"].iter().map(|page| proxy.url.join(page).unwrap()).collect();
    let mut seen: HashSet<Url> = open.iter().cloned().collect();
    let mut kinds: HashMap<String, usize> = HashMap::new();
    while let Some(url) = open.pop_front() {
        let response = client.get(url.clone()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{url}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let text = response.text().await.unwrap();
        *kinds.entry(kind.clone()).or_default() += 1;
        if !(kind.starts_with("text/html") || kind.starts_with("text/javascript")) || url.path().contains("vendor") {
            continue;
        }
        for reference in references(&text) {
            let is_module = kind.starts_with("text/javascript");
            if is_module && !reference.starts_with('.') {
                continue;
            }
            let mut next = url.join(&reference).unwrap();
            next.set_fragment(None);
            if next.host() == url.host() && seen.insert(next.clone()) {
                assert!(next.path().starts_with(PREFIX), "{reference} of {url} leaves the proxy's path");
                open.push_back(next);
            }
        }
    }
    assert!(kinds["text/javascript; charset=utf-8"] > 40 && kinds["text/css; charset=utf-8"] > 3, "{kinds:?}");
    let script = client.get(proxy.url.join("console/js/connection.js").unwrap()).send().await.unwrap().text().await.unwrap();
    assert!(script.contains("addressOf('/ws')") && !script.contains("location.href"), "the WebSocket is found from the module's place");
    gateway.stop().await;
}
