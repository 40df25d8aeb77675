//! Messages that are wrong in ten thousand ways hurt nobody.

use futures::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::rig::Rig;

/// Small, fast and the same on every machine (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

const WORDS: &[&str] = &[
    "ping",
    "connect",
    "create",
    "invoke",
    "describe",
    "subscribe",
    "unsubscribe",
    "release",
    "ref",
    "unref",
    "keepAlive",
    "transaction",
    "closeSession",
    "object",
    "operation",
    "operationParams",
    "constructorParams",
    "type",
    "sessionId",
    "MediaPipeline",
    "WebRtcEndpoint",
    "kurento.PlayerEndpoint",
    "manager_ServerManager",
    "newref:0",
    "newref:99999999999999999999",
    "getInfo",
    "getName",
    "setName",
    "processOffer",
    "offer",
    "mediaPipeline",
    "uri",
    "",
    "\u{0}",
    "é\u{301}🦀",
    "..",
    "Error",
    "jsonrpc",
    "2.0",
    "id",
    "method",
    "params",
    "operations",
    "value",
    "getKmd",
    "moduleName",
    "__type__",
];

fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.roll(if depth > 3 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => json!(dice.roll(2) == 0),
        2 => json!(dice.roll(1 << 40) as i64 - (1 << 39)),
        3 => json!(1e300),
        4 => json!(-0.5),
        5 | 6 => json!(WORDS[dice.roll(WORDS.len())]),
        7 => (0..dice.roll(4)).map(|_| value(dice, depth + 1)).collect(),
        _ => {
            let fields =
                (0..dice.roll(5)).map(|_| (WORDS[dice.roll(WORDS.len())].to_owned(), value(dice, depth + 1)));
            Value::Object(fields.collect())
        }
    }
}

fn message(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(6) {
        // A request with odd parts.
        0..=2 => {
            let methods = &WORDS[..13];
            let mut request =
                json!({"jsonrpc": "2.0", "id": dice.roll(1000), "method": methods[dice.roll(13)]});
            if dice.roll(4) > 0 {
                request["params"] = value(dice, 0);
            }
            if let Some(params) = request["params"].as_object_mut() {
                // Only its own, or it would end the sessions of others.
                params.remove("sessionId");
            }
            if dice.roll(10) == 0 {
                request["id"] = value(dice, 2);
            }
            request.to_string().into_bytes()
        }
        // Any JSON.
        3 => value(dice, 0).to_string().into_bytes(),
        // A request that was cut or damaged.
        4 => {
            let mut bytes = br#"{"jsonrpc":"2.0","id":5,"method":"invoke","params":{"object":"manager_ServerManager","operation":"getInfo"}}"#.to_vec();
            bytes.truncate(1 + dice.roll(bytes.len()));
            let at = dice.roll(bytes.len());
            bytes[at] = dice.roll(256) as u8;
            bytes
        }
        // Noise, or very deep.
        _ if dice.roll(20) == 0 => "[".repeat(dice.roll(50_000)).into_bytes(),
        _ => (0..dice.roll(200)).map(|_| dice.roll(256) as u8).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_wrong_messages_hurt_nobody() {
    let rig = Rig::new().await;
    let mut quiet = rig.client().await;
    let pipeline = quiet.pipeline().await;
    let endpoint = quiet.element("WebRtcEndpoint", &pipeline).await;
    quiet.invoke(&endpoint, "setName", json!({"name": "unharmed"})).await.unwrap();
    let mut loud = rig.client().await;
    let mut dice = Dice(0x5eed_0000_0000_0001);
    for round in 0..100_u64 {
        for _ in 0..100 {
            // As binary frames, so that bytes that are no text reach the parser, too.
            loud.socket.feed(Message::binary(message(&mut dice))).await.unwrap();
        }
        let id = json!(format!("end of round {round}"));
        let ping = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
        loud.socket.feed(Message::text(ping.to_string())).await.unwrap();
        loud.socket.flush().await.unwrap();
        // The connection answers everything up to the end of the round.
        loop {
            let answer = loud.receive().await.expect("the connection lives");
            if answer["id"] == id {
                assert_eq!(answer["result"]["value"], "pong");
                break;
            }
            if let Some(error) = answer.get("error") {
                assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
                assert_ne!(error["code"], -32603, "no fault of the server: {answer}");
            }
        }
    }
    assert_eq!(quiet.get(&endpoint, "getName").await, json!("unharmed"));
    assert_eq!(quiet.get(&pipeline, "getChildren").await, json!([endpoint]));
}
