//! Acknowledgements and errors of the Socket.IO door, spoken by hand over both transports.

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Client;
use serde_json::{Value, json};
use slipstream_tests::gateway::{Gateway, PATIENCE};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

/// Packets that ask for an acknowledgement, and its number. The bus has no model: whatever is not carried out is
/// acknowledged, too.
const ASKING: [(&str, &str); 7] = [
    (r#"421["get-state",{}]"#, "431[]"),
    (r#"422["step",{"action":0}]"#, "432[]"),
    (r#"423["step",{"action":"left"}]"#, "433[]"),
    (r#"424["start-episode"]"#, "434[]"),
    (r#"425["reset",null]"#, "435[]"),
    (r#"426["nobody-knows-this",1,2,3]"#, "436[]"),
    (r#"4270["get-state"]"#, "4370[]"),
];

async fn open_door() -> Gateway {
    Gateway::start_with(|config| config.rl.open = true).await
}

#[tokio::test]
async fn every_event_with_an_id_is_acknowledged_over_websocket() {
    let gateway = open_door().await;
    let address = gateway.url("/socket.io/?EIO=4&transport=websocket").replace("http", "ws");
    let (mut socket, _) = connect_async(address).await.unwrap();
    socket.send(Message::text("40")).await.unwrap();
    // An event before the namespace has answered breaks the protocol.
    let joined = timeout(PATIENCE, async { while !socket.next().await.unwrap().unwrap().to_text().unwrap().starts_with("40") {} });
    joined.await.expect("the namespace answers");
    for (asked, expected) in ASKING {
        socket.send(Message::text(asked)).await.unwrap();
        timeout(PATIENCE, async {
            loop {
                match socket.next().await.unwrap().unwrap().to_text().unwrap() {
                    text if text == expected => break,
                    "2" => socket.send(Message::text("3")).await.unwrap(),
                    text => assert!(!text.starts_with("43"), "{text} for {asked}"),
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no acknowledgement of {asked}"));
    }
    // What asks for none gets none.
    socket.send(Message::text(r#"42["nobody-knows-this"]"#)).await.unwrap();
    socket.send(Message::text(r#"429["get-state"]"#)).await.unwrap();
    let first = timeout(PATIENCE, async {
        loop {
            let text = socket.next().await.unwrap().unwrap().to_text().unwrap().to_owned();
            if text.starts_with("43") {
                return text;
            }
        }
    });
    assert_eq!(first.await.unwrap(), "439[]");
    gateway.stop().await;
}

#[tokio::test]
async fn every_event_with_an_id_is_acknowledged_over_polling() {
    let gateway = open_door().await;
    let client = Client::new();
    let base = gateway.url("/socket.io/?EIO=4&transport=polling");
    let opened = client.get(&base).send().await.unwrap().text().await.unwrap();
    let session: Value = serde_json::from_str(&opened[1..]).unwrap();
    let address = format!("{base}&sid={}", session["sid"].as_str().unwrap());
    let post = |packet: &'static str| client.post(&address).body(packet).send();
    assert!(post("40").await.unwrap().status().is_success());
    let joined = timeout(PATIENCE, async {
        while !client.get(&address).send().await.unwrap().text().await.unwrap().split('\u{1e}').any(|packet| packet.starts_with("40")) {}
    });
    joined.await.expect("the namespace answers");
    for (asked, expected) in ASKING {
        assert!(post(asked).await.unwrap().status().is_success());
        timeout(PATIENCE, async {
            loop {
                let payload = client.get(&address).send().await.unwrap().text().await.unwrap();
                for packet in payload.split('\u{1e}') {
                    if packet == expected {
                        return;
                    }
                    if packet == "2" {
                        post("3").await.unwrap();
                    }
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no acknowledgement of {asked}"));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn errors_have_numbers_and_an_unreadable_session_opens_no_new_one() {
    let gateway = open_door().await;
    let get = |query: &str| Client::new().get(gateway.url(&format!("/socket.io/?{query}"))).send();
    for (query, code) in [
        ("EIO=4&transport=polling&sid=abc", 1),
        ("EIO=4&transport=polling&sid=%21%21%21%21", 1),
        ("EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA", 1),
        ("EIO=4&transport=carrier-pigeon", 0),
        ("EIO=3&transport=polling", 5),
    ] {
        let answer = get(query).await.unwrap();
        assert_eq!(answer.status().as_u16(), 400, "{query}");
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["code"], json!(code), "{query}: {told}");
        assert!(told["message"].is_string(), "{told}");
    }
    assert_eq!(get("EIO=4&transport=polling").await.unwrap().status().as_u16(), 200);
    gateway.stop().await;
}
