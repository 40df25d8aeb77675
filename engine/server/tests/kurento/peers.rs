//! Two endpoints of the server as each other's peers: negotiation, states, events, statistics, data channels.

use serde_json::{Value, json};

use crate::rig::{Client, Rig};

const EVENTS: &[&str] = &[
    "IceCandidateFound",
    "IceGatheringDone",
    "IceComponentStateChanged",
    "DtlsConnectionStateChange",
    "NewCandidatePairSelected",
    "ConnectionStateChanged",
    "MediaStateChanged",
    "MediaSessionStarted",
    "MediaSessionTerminated",
    "DataChannelOpened",
    "DataChannelClosed",
    "MediaFlowInStateChanged",
    "MediaFlowOutStateChanged",
    "MediaTranscodingStateChanged",
    "Error",
];

/// Hands the candidates of one endpoint to the other until its gathering is done.
async fn trickle(client: &mut Client, from: &str, to: &str) -> usize {
    let mut found = 0;
    loop {
        let event = client.any_event_of(from, &["IceCandidateFound", "IceGatheringDone"]).await;
        if event["type"] == "IceGatheringDone" {
            return found;
        }
        let candidate = event["candidate"].clone();
        assert_eq!(
            (&candidate["__module__"], &candidate["__type__"]),
            (&json!("kurento"), &json!("IceCandidate"))
        );
        assert!(candidate["candidate"].as_str().unwrap().starts_with("candidate:"), "{candidate}");
        client.invoke(to, "addIceCandidate", json!({"candidate": candidate})).await.unwrap();
        found += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_endpoints_meet_and_send_each_other_media_and_data() {
    let rig = Rig::new().await;
    let film = rig.film("film.webm", 300).await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    let channels = json!({"mediaPipeline": pipeline, "useDataChannels": true});
    let caller = client.create("WebRtcEndpoint", channels.clone()).await.unwrap();
    let callee = client.create("WebRtcEndpoint", channels).await.unwrap();
    let player =
        client.create("PlayerEndpoint", json!({"mediaPipeline": pipeline, "uri": film})).await.unwrap();
    for endpoint in [&caller, &callee] {
        client.subscribe(endpoint, EVENTS).await;
    }
    // What the caller sends comes from a film; what the callee gets goes back.
    client.invoke(&player, "connect", json!({"sink": caller})).await.unwrap();
    client.invoke(&callee, "connect", json!({"sink": callee})).await.unwrap();

    let offer = client.get(&caller, "generateOffer").await;
    assert!(offer.as_str().unwrap().starts_with("v=0"), "{offer}");
    let error = client.invoke(&caller, "generateOffer", json!({})).await.unwrap_err();
    assert_eq!((error.0, error.2.as_deref()), (40208, Some("SDP_END_POINT_ALREADY_NEGOTIATED")));
    let error = client.invoke(&caller, "processOffer", json!({"offer": offer})).await.unwrap_err();
    assert_eq!(error.0, 40208);

    // Pipelined, as clients do it.
    let process = json!({"object": callee, "operation": "processOffer", "operationParams": {"offer": offer}});
    let answer = client.ask("invoke", process).await;
    let gather = client.ask("invoke", json!({"object": callee, "operation": "gatherCandidates"})).await;
    let answer = client.answer(&answer).await["result"]["value"].clone();
    assert!(client.answer(&gather).await["result"]["value"].is_null());
    assert!(answer.as_str().unwrap().starts_with("v=0"), "{answer}");
    client.event(&callee, "MediaSessionStarted").await;
    let local = client.invoke(&caller, "processAnswer", json!({"answer": answer})).await.unwrap();
    assert!(local.as_str().unwrap().starts_with("v=0"));
    client.event(&caller, "MediaSessionStarted").await;
    let error = client.invoke(&caller, "processAnswer", json!({"answer": answer})).await.unwrap_err();
    assert_eq!((error.0, error.2.as_deref()), (40210, Some("SDP_END_POINT_ANSWER_ALREADY_PROCCESED")));
    client.invoke(&caller, "gatherCandidates", json!({})).await.unwrap();
    assert!(trickle(&mut client, &callee, &caller).await > 0);
    assert!(trickle(&mut client, &caller, &callee).await > 0);

    for endpoint in [&caller, &callee] {
        let state = |wanted: &'static str| move |e: &Value| e["state"] == wanted;
        client
            .event_where(endpoint, "IceComponentStateChanged", |e| {
                e["state"] == "CONNECTED" || e["state"] == "READY"
            })
            .await;
        client.event_where(endpoint, "DtlsConnectionStateChange", state("CONNECTED")).await;
        let changed = |e: &Value| {
            (e["oldState"].clone(), e["newState"].clone()) == (json!("DISCONNECTED"), json!("CONNECTED"))
        };
        client.event_where(endpoint, "ConnectionStateChanged", changed).await;
        client.event_where(endpoint, "MediaStateChanged", changed).await;
        let pair = client.event(endpoint, "NewCandidatePairSelected").await["candidatePair"].clone();
        assert_eq!(pair["__type__"], "IceCandidatePair");
        assert!(pair["localCandidate"].as_str().is_some_and(|c| !c.is_empty()), "{pair}");
        assert_eq!(client.get(endpoint, "getMediaState").await, "CONNECTED");
        assert_eq!(client.get(endpoint, "getConnectionState").await, "CONNECTED");
        assert_eq!(client.get(endpoint, "getDtlsConnectionState").await[0]["state"], "CONNECTED");
        assert_eq!(client.get(endpoint, "getICECandidatePairs").await.as_array().unwrap().len(), 1);
    }
    // The film arrives at the callee, and the caller gets it back. Played before, it might be over by now.
    client.invoke(&player, "play", json!({})).await.unwrap();
    let flows = |e: &Value| e["state"] == "FLOWING" && e["mediaType"] == "VIDEO" && e["padName"] == "default";
    client.event_where(&caller, "MediaFlowInStateChanged", flows).await;
    client.event_where(&callee, "MediaFlowOutStateChanged", flows).await;
    client.event_where(&caller, "MediaFlowOutStateChanged", flows).await;
    assert_eq!(
        client.invoke(&callee, "isMediaFlowingOut", json!({"mediaType": "VIDEO"})).await.unwrap(),
        json!(true)
    );
    client.invoke(&callee, "requestKeyframe", json!({})).await.unwrap();

    client.invoke(&pipeline, "setLatencyStats", json!({"latencyStats": true})).await.unwrap();
    let stats = client.invoke(&callee, "getStats", json!({"mediaType": "VIDEO"})).await.unwrap();
    let of = |kind: &str| {
        let all = stats.as_object().unwrap().values();
        all.filter(|stats| stats["type"] == kind).cloned().collect::<Vec<Value>>()
    };
    let inbound = of("inboundrtp");
    assert_eq!((inbound.len(), &inbound[0]["__type__"]), (1, &json!("RTCInboundRTPStreamStats")), "{stats}");
    assert!(inbound[0]["packetsReceived"].as_u64().is_some_and(|n| n > 0), "{inbound:?}");
    assert!(inbound[0]["timestampMillis"].is_u64());
    assert_eq!(of("endpoint")[0]["__type__"], "EndpointStats");
    assert!(!of("candidatepair").is_empty(), "{stats}");

    client.invoke(&caller, "createDataChannel", json!({"label": "chat", "maxRetransmits": 3})).await.unwrap();
    let channel = client.event(&callee, "DataChannelOpened").await["channelId"].clone();
    client.event(&caller, "DataChannelOpened").await;
    let both = json!({"maxRetransmits": 3, "maxPacketLifeTime": 100});
    let error = client.invoke(&caller, "createDataChannel", both).await.unwrap_err();
    assert_eq!(error.0, 40107);
    client.invoke(&callee, "closeDataChannel", json!({"channelId": channel})).await.unwrap();
    client.event(&caller, "DataChannelClosed").await;
    assert_eq!(client.came("Error"), 0);

    // The peer goes: its endpoint notices.
    client.call("release", json!({"object": caller})).await.unwrap();
    client.event(&callee, "MediaSessionTerminated").await;
    client.call("release", json!({"object": pipeline})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_may_come_before_the_offer_and_old_names_are_understood() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    let caller = client.element("WebRtcEndpoint", &pipeline).await;
    let callee = client.element("WebRtcEndpoint", &pipeline).await;
    client.subscribe(&caller, &["OnIceCandidate", "OnIceGatheringDone"]).await;
    client.subscribe(&callee, &["ConnectionStateChanged"]).await;
    let options = json!({"options": {"__module__": "kurento", "__type__": "OfferOptions", "offerToReceiveAudio": false}});
    let offer = client.invoke(&caller, "generateOffer", options).await.unwrap();
    client.invoke(&caller, "gatherCandidates", json!({})).await.unwrap();
    loop {
        let event = client.any_event().await;
        if event["type"] == "OnIceGatheringDone" {
            break;
        }
        assert_eq!(
            (&event["type"], &event["data"]["type"]),
            (&json!("OnIceCandidate"), &json!("OnIceCandidate"))
        );
        assert!(event["data"]["timestamp"].is_string() && event["data"]["timestampMillis"].is_string());
        // The callee has not seen the offer yet.
        let candidate = json!({"candidate": event["data"]["candidate"]});
        client.invoke(&callee, "addIceCandidate", candidate).await.unwrap();
    }
    let end = json!({"candidate": {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0}});
    client.invoke(&callee, "addIceCandidate", end).await.unwrap();
    let answer = client.invoke(&callee, "processOffer", json!({"offer": offer})).await.unwrap();
    client.invoke(&callee, "gatherCandidates", json!({})).await.unwrap();
    client.invoke(&caller, "processAnswer", json!({"answer": answer})).await.unwrap();
    client.event_where(&callee, "ConnectionStateChanged", |e| e["newState"] == "CONNECTED").await;
    let remote = client.get(&callee, "getRemoteSessionDescriptor").await;
    assert!(remote.as_str().unwrap().starts_with("v=0"));
    let error = client.invoke(&callee, "createDataChannel", json!({})).await.unwrap_err();
    assert_eq!((error.0, error.2.as_deref()), (40111, Some("MEDIA_OBJECT_OPERATION_NOT_SUPPORTED")));
}
