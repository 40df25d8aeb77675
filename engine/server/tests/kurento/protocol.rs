//! The envelope, sessions, transactions and errors.

use futures::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::rig::{Client, Refused, Rig, refused};

#[tokio::test(flavor = "multi_thread")]
async fn what_kurento_client_asks_when_it_connects() {
    let rig = Rig::new().await;
    // The header of a client with compression, and the origin that Kurento's fork of ws sends.
    let origin = rig.address.to_string();
    let headers =
        [("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"), ("origin", &*origin)];
    let mut client = Client::connect(rig.address, &headers).await.unwrap();
    client.send(r#"{"id":0,"method":"ping","params":{"interval":5000},"jsonrpc":"2.0"}"#).await;
    assert_eq!(
        client.receive().await.unwrap(),
        json!({"id": 0, "jsonrpc": "2.0", "result": {"value": "pong"}})
    );
    let manager = client.call("describe", json!({"object": "manager_ServerManager"})).await.unwrap();
    assert_eq!(manager["type"], "ServerManager");
    assert_eq!(manager["qualifiedType"], "kurento.ServerManager");
    assert_eq!(manager["hierarchy"], json!(["kurento.MediaObject"]));
    let session = manager["sessionId"].as_str().unwrap().to_owned();
    let info = client.get("manager_ServerManager", "getInfo").await;
    assert_eq!((&info["type"], &info["capabilities"]), (&json!("KMS"), &json!(["transactions"])));
    let module = |name: &str| {
        let modules = info["modules"].as_array().unwrap();
        modules.iter().find(|module| module["name"] == name).unwrap()["factories"].clone()
    };
    assert!(module("core").as_array().unwrap().contains(&json!("MediaPipeline")));
    assert!(module("elements").as_array().unwrap().contains(&json!("WebRtcEndpoint")));
    assert!(module("filters").as_array().unwrap().contains(&json!("FaceOverlayFilter")));
    assert_eq!(module("crowddetector"), json!(["CrowdDetectorFilter"]));
    let pong = client.call("ping", json!({})).await.unwrap();
    assert_eq!(pong, json!({"value": "pong", "sessionId": session}));
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_may_be_text_or_binary_and_come_in_a_row() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    // Ids in any order, of both kinds; a request without an id is done and not answered.
    let ids = [json!(7), json!("seven"), json!(3), json!(-1), json!("")];
    for (index, id) in ids.iter().enumerate() {
        let text = json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string();
        let frame = if index % 2 == 0 { Message::binary(text.into_bytes()) } else { Message::text(text) };
        client.socket.feed(frame).await.unwrap();
        let silent = json!({"jsonrpc": "2.0", "method": "ping"}).to_string();
        client.socket.feed(Message::text(silent)).await.unwrap();
    }
    client.socket.flush().await.unwrap();
    for id in &ids {
        assert_eq!(client.receive().await.unwrap()["id"], *id, "answers come in the order of the requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_has_its_error() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    let other = client.pipeline().await;
    let endpoint = client.element("WebRtcEndpoint", &pipeline).await;
    let far = client.element("WebRtcEndpoint", &other).await;
    let filter = client.element("FaceOverlayFilter", &pipeline).await;
    let player = client
        .create("PlayerEndpoint", json!({"mediaPipeline": pipeline, "uri": rig.file("a.webm")}))
        .await
        .unwrap();
    let manager = "manager_ServerManager";
    let invoke = |object: &str, operation: &str, params: Value| {
        ("invoke", json!({"object": object, "operation": operation, "operationParams": params}))
    };
    let create = |class: &str, params: Value| ("create", json!({"type": class, "constructorParams": params}));
    let table: Vec<((&str, Value), i64, &str)> = vec![
        (("dance", json!({})), -32601, "Method 'dance' not found"),
        (("create", json!({})), -32000, "'type' parameter is required"),
        (("create", json!({"type": 3})), 40001, "'type' parameter should be a string"),
        (create("Unicorn", json!({})), 40108, "Factory 'Unicorn' not found"),
        (create("kurento.Unicorn", json!({})), 40108, "Factory 'kurento.Unicorn' not found"),
        (create("Composite", json!({"mediaPipeline": pipeline})), 40108, "Factory 'Composite' not found"),
        (create("MediaElement", json!({})), 40108, "Factory 'MediaElement' not found"),
        (create("ServerManager", json!({})), 40108, "Factory 'ServerManager' not found"),
        (
            ("create", json!({"type": "PassThrough", "constructorParams": []})),
            40001,
            "'constructorParams' parameter should be a object",
        ),
        (create("WebRtcEndpoint", json!({})), -32000, "'mediaPipeline' parameter is required"),
        (create("WebRtcEndpoint", json!({"mediaPipeline": "x"})), 40101, "Object 'x' not found"),
        (
            create("WebRtcEndpoint", json!({"mediaPipeline": endpoint})),
            40001,
            "'mediaPipeline' parameter should be a MediaPipeline",
        ),
        (
            create("WebRtcEndpoint", json!({"mediaPipeline": pipeline, "recvonly": 3})),
            40001,
            "'recvonly' parameter should be a boolean",
        ),
        (
            create("WebRtcEndpoint", json!({"mediaPipeline": pipeline, "qosDscp": "FAST"})),
            40001,
            "'qosDscp' parameter should be one of",
        ),
        (
            create("WebRtcEndpoint", json!({"mediaPipeline": pipeline, "recvonly": true, "sendonly": true})),
            40107,
            "exclude each other",
        ),
        (create("PlayerEndpoint", json!({"mediaPipeline": pipeline})), -32000, "'uri' parameter is required"),
        (
            create(
                "RecorderEndpoint",
                json!({"mediaPipeline": pipeline, "uri": "file:///a.webm", "mediaProfile": "KURENTO_SPLIT_RECORDER"}),
            ),
            40107,
            "KURENTO_SPLIT_RECORDER",
        ),
        (("invoke", json!({"object": endpoint})), -32000, "'operation' parameter is required"),
        (("invoke", json!({"operation": "getName"})), -32000, "'object' parameter is required"),
        (
            ("invoke", json!({"object": endpoint, "operation": "getName", "operationParams": 3})),
            40001,
            "'operationParams' parameter should be a object",
        ),
        (invoke("gone", "getName", json!({})), 40101, "Object 'gone' not found"),
        (invoke("newref:0", "getName", json!({})), 40109, "Object 'newref:0' not found"),
        (
            invoke(&endpoint, "fly", json!({"a": 1, "b": 2})),
            40008,
            "Method 'fly' with 2 parameters not found",
        ),
        (invoke(&endpoint, "setId", json!({"id": "x"})), 40008, "Method 'setId' with 1 parameters not found"),
        (invoke(&endpoint, "play", json!({})), 40008, "Method 'play' with 0 parameters not found"),
        (invoke(&endpoint, "connect", json!({})), -32000, "'sink' parameter is required"),
        (invoke(&endpoint, "connect", json!({"sink": far})), 40004, "Media elements do not share pipeline"),
        (
            invoke(&endpoint, "disconnect", json!({"sink": far})),
            40004,
            "Media elements do not share pipeline",
        ),
        (
            invoke(&endpoint, "connect", json!({"sink": pipeline})),
            40001,
            "'sink' parameter should be a MediaElement",
        ),
        (
            invoke(&endpoint, "connect", json!({"sink": endpoint, "mediaType": "SMELL"})),
            40001,
            "'mediaType' parameter should be one of",
        ),
        (invoke(&endpoint, "isMediaFlowingIn", json!({"mediaType": "DATA"})), 40107, "DATA"),
        (invoke(&endpoint, "getTag", json!({"key": "no"})), 40110, "Tag key 'no' not found"),
        (invoke(&endpoint, "removeTag", json!({"key": "no"})), 40110, "Tag key 'no' not found"),
        (
            invoke(&endpoint, "setMaxVideoSendBandwidth", json!({})),
            -32000,
            "'maxVideoSendBandwidth' parameter is required",
        ),
        (
            invoke(&endpoint, "setMaxVideoSendBandwidth", json!({"maxVideoSendBandwidth": "much"})),
            40001,
            "'maxVideoSendBandwidth' parameter should be a integer",
        ),
        (invoke(&endpoint, "setEncoderBitrate", json!({"encoderBitrate": -1})), 40107, "negative"),
        (invoke(&endpoint, "setTurnUrl", json!({"turnUrl": "a:b@10.0.0.1:3478"})), 40107, "private"),
        (
            invoke(
                &filter,
                "setOverlayedImage",
                json!({"uri": "http://127.0.0.1:1/hat.png", "offsetXPercent": 0, "offsetYPercent": 0, "widthPercent": 1, "heightPercent": 1}),
            ),
            40107,
            "private",
        ),
        (invoke(&endpoint, "setIceTcp", json!({"iceTcp": true})), 40111, "TCP"),
        (
            invoke(
                &endpoint,
                "setVideoFormat",
                json!({"caps": {"codec": "THEORA", "framerate": {"numerator": 30, "denominator": 1}}}),
            ),
            40001,
            "should be one of H265",
        ),
        (invoke(&endpoint, "processOffer", json!({"offer": ""})), 40201, "Empty offer"),
        (invoke(&endpoint, "processOffer", json!({"offer": "v=nonsense"})), 40201, ""),
        (invoke(&endpoint, "processAnswer", json!({"answer": "v=0"})), 40209, "no offer"),
        (invoke(&endpoint, "processAnswer", json!({"answer": ""})), 40201, "Empty answer"),
        (invoke(&endpoint, "getLocalSessionDescriptor", json!({})), 40202, ""),
        (invoke(&endpoint, "getRemoteSessionDescriptor", json!({})), 40203, ""),
        (invoke(&endpoint, "requestKeyframe", json!({})), 40111, ""),
        (invoke(&endpoint, "createDataChannel", json!({})), 40111, ""),
        (
            invoke(
                &endpoint,
                "addIceCandidate",
                json!({"candidate": {"candidate": "nonsense", "sdpMid": "0", "sdpMLineIndex": 0}}),
            ),
            40401,
            "",
        ),
        (
            invoke(&endpoint, "addIceCandidate", json!({"candidate": {"candidate": "x"}})),
            -32000,
            "'sdpMid' parameter is required",
        ),
        (invoke(&player, "setPosition", json!({"position": 1000})), 40700, "position"),
        (
            invoke(
                &filter,
                "setOverlayedImage",
                json!({"uri": "file:///nowhere/hat.png", "offsetXPercent": 0, "offsetYPercent": 0, "widthPercent": 1, "heightPercent": 1}),
            ),
            40107,
            "",
        ),
        (
            invoke(&filter, "setOverlayedImage", json!({"uri": "x"})),
            -32000,
            "'offsetXPercent' parameter is required",
        ),
        (invoke(manager, "getKmd", json!({"moduleName": "unicorns"})), 40500, "unicorns"),
        (invoke(manager, "getUsedCpu", json!({"interval": 0})), 40107, "interval"),
        (("describe", json!({"object": "gone"})), 40101, "Object 'gone' not found"),
        (("describe", json!({})), -32000, "'object' parameter is required"),
        (("subscribe", json!({"object": endpoint, "type": "Rain"})), 40106, "Rain"),
        (("subscribe", json!({"object": endpoint, "type": "EndOfStream"})), 40106, "EndOfStream"),
        (("subscribe", json!({"object": "gone", "type": "Error"})), 40101, "Object 'gone' not found"),
        (("unsubscribe", json!({"object": endpoint})), -32000, "'subscription' parameter is required"),
        (("ref", json!({"object": "gone"})), 40101, "Object 'gone' not found"),
        (("unref", json!({"object": "gone"})), 40101, "Object 'gone' not found"),
        (("transaction", json!({})), -32000, "'operations' parameter is required"),
        (("transaction", json!({"operations": [{"id": 1}]})), 40008, "id 0"),
        (("connect", json!({"sessionId": "unknown"})), 40007, "Invalid session"),
        (("closeSession", json!({"sessionId": 7})), 40001, "'sessionId' parameter should be a string"),
    ];
    for ((method, params), code, text) in table {
        let shown = params.to_string();
        let error = client.call(method, params).await.expect_err(&shown);
        assert_eq!(error.0, code, "{method} {shown}: {error:?}");
        assert!(error.1.contains(text), "{method} {shown}: {error:?}");
        assert_eq!(error.2.is_none(), code == -32000, "{method} {shown}: {error:?}");
    }
    // What had only mistakes is as before.
    assert_eq!(client.get(&endpoint, "getSinkConnections").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_need_a_session_say_so() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for method in ["ref", "unref", "keepAlive", "closeSession"] {
        let error = client.call(method, json!({"object": "x"})).await.unwrap_err();
        assert_eq!(error, (-32000, "'sessionId' parameter is required".to_owned(), None), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_taken_over_by_another_connection() {
    let rig = Rig::new().await;
    let mut first = rig.client().await;
    let pipeline = first.pipeline().await;
    first.subscribe("manager_ServerManager", &["ObjectCreated", "ObjectDestroyed"]).await;
    let session = first.session.clone().unwrap();
    let mut second = rig.client().await;
    let server = second.call("connect", json!({"sessionId": session})).await.unwrap();
    assert_eq!(server["sessionId"], json!(session));
    assert!(server["serverId"].as_str().is_some_and(|id| id.len() == 36));
    first.socket.close(None).await.unwrap();
    let endpoint = second.element("WebRtcEndpoint", &pipeline).await;
    let created = second.event("manager_ServerManager", "ObjectCreated").await;
    assert_eq!(created["object"], json!(endpoint));
    assert!(created["timestampMillis"].as_str().is_some_and(|t| t.parse::<u64>().is_ok()));
    assert_eq!((&created["tags"], created.get("type")), (&json!([]), None));
    assert_eq!(second.get("manager_ServerManager", "getPipelines").await, json!([pipeline]));
    assert_eq!(second.get("manager_ServerManager", "getSessions").await, json!([session]));
    assert_eq!(second.call("keepAlive", json!({})).await.unwrap(), json!({"sessionId": session}));
    // A connection without a session gets a new one.
    let mut third = rig.client().await;
    let other = third.call("connect", json!({})).await.unwrap();
    assert_ne!(other["sessionId"], json!(session));
    assert_eq!(third.call("closeSession", json!({"sessionId": session})).await.unwrap(), Value::Null);
    assert_eq!(third.get("manager_ServerManager", "getPipelines").await, json!([]));
    let error = second.call("connect", json!({"sessionId": session})).await.unwrap_err();
    assert_eq!((error.0, error.2.as_deref()), (40007, Some("INVALID_SESSION")));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_live_as_long_as_a_session_holds_them() {
    let rig = Rig::new().await;
    let (mut one, mut two) = (rig.client().await, rig.client().await);
    let pipeline = one.pipeline().await;
    let endpoint = one.element("PassThrough", &pipeline).await;
    two.call("describe", json!({"object": endpoint})).await.unwrap();
    let session = one.session.take().unwrap();
    one.call("closeSession", json!({"sessionId": session})).await.unwrap();
    // The other session holds the element, and with it its pipeline.
    assert_eq!(two.get(&endpoint, "getParent").await, json!(pipeline));
    two.call("unref", json!({"object": endpoint})).await.unwrap();
    let gone = two.call("describe", json!({"object": endpoint})).await.unwrap_err();
    assert_eq!(gone.0, 40101);
    two.call("ref", json!({"object": pipeline})).await.unwrap();
    let session = two.session.clone().unwrap();
    two.call("closeSession", json!({"sessionId": session, "release": true})).await.unwrap();
    two.session = None;
    assert_eq!(two.get("manager_ServerManager", "getPipelines").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_gets_the_same_answer() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.pipeline().await;
    let session = client.session.clone().unwrap();
    let request = json!({
        "jsonrpc": "2.0", "id": 50, "method": "create",
        "params": {"type": "MediaPipeline", "sessionId": session},
    });
    client.send(&request).await;
    let first = client.receive().await.unwrap();
    let mut other = rig.client().await;
    other.send(&request).await;
    assert_eq!(other.receive().await.unwrap(), first);
    assert_eq!(client.get("manager_ServerManager", "getPipelines").await.as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_makes_objects_that_name_each_other() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let operation = |id: u64, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let endpoint = json!({"type": "WebRtcEndpoint", "constructorParams": {"mediaPipeline": "newref:0"}});
    let connect =
        json!({"object": "newref:1", "operation": "connect", "operationParams": {"sink": "newref:1"}});
    let operations = json!([
        operation(0, "create", json!({"type": "MediaPipeline"})),
        operation(1, "create", endpoint),
        operation(2, "invoke", connect),
        operation(3, "invoke", json!({"object": "newref:1", "operation": "fly"})),
        operation(4, "create", json!({"type": "MediaPipeline"})),
    ]);
    let result = client.call("transaction", json!({"operations": operations})).await.unwrap();
    let responses = result["value"].as_array().unwrap();
    assert_eq!(responses.len(), 4, "the first that fails ends it: {result}");
    let pipeline = responses[0]["result"]["value"].as_str().unwrap();
    let endpoint = responses[1]["result"]["value"].as_str().unwrap();
    assert!(endpoint.starts_with(pipeline));
    assert_eq!((&responses[2]["id"], &responses[2]["result"]["value"]), (&json!(2), &Value::Null));
    assert_eq!(refused(&responses[3]["error"]).0, 40008);
    let links = client.get(endpoint, "getSinkConnections").await;
    assert_eq!(links.as_array().unwrap().len(), 2, "{links}");
    let lost = json!([operation(0, "invoke", json!({"object": "newref:5", "operation": "getName"}))]);
    let result = client.call("transaction", json!({"operations": lost})).await.unwrap();
    let error: Refused = refused(&result["value"][0]["error"]);
    assert_eq!((error.0, error.2.as_deref()), (40109, Some("MEDIA_OBJECT_NOT_FOUND_TRANSACTION_NO_COMMIT")));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_answer_with_an_error() {
    let rig = Rig::with(|config| {
        config.limits.message_bytes = 4096;
        config.limits.pipelines = 2;
        config.limits.elements = 3;
        config.limits.requests_per_second = 1;
        config.limits.request_burst = 8;
    })
    .await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    client.pipeline().await;
    let error = client.call("create", json!({"type": "MediaPipeline"})).await.unwrap_err();
    assert_eq!((error.0, error.2.as_deref()), (40009, Some("NOT_ENOUGH_RESOURCES")));
    for _ in 0..3 {
        client.element("WebRtcEndpoint", &pipeline).await;
    }
    let error = client.create("WebRtcEndpoint", json!({"mediaPipeline": pipeline})).await.unwrap_err();
    assert_eq!(error.0, 40009);
    // What took longer than a second has given more; so many pings in a row are always too many.
    let mut refusals = 0;
    for _ in 0..100 {
        refusals += usize::from(client.call("ping", json!({})).await.is_err_and(|error| error.0 == 40009));
    }
    assert!(refusals >= 2, "{refusals} refused");
    // A message that is too long ends its connection, not others.
    let mut other = rig.client().await;
    let _ = other.socket.send(Message::text(" ".repeat(5000))).await;
    assert!(other.receive().await.is_none());
    let answer = client.call("ping", json!({})).await;
    assert!(answer.is_ok() || answer.is_err_and(|error| error.0 == 40009));
}
