//! What every object has: names, tags, properties, links, events; the manager.

use serde_json::{Value, json};

use crate::rig::{Rig, hat};

#[tokio::test(flavor = "multi_thread")]
async fn objects_have_names_tags_parents_and_children() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    assert!(pipeline.ends_with("_kurento.MediaPipeline"));
    let one = client.element("kurento.WebRtcEndpoint", &pipeline).await;
    let two = client.element("PassThrough", &pipeline).await;
    assert!(one.starts_with(&format!("{pipeline}/")) && one.ends_with("_kurento.WebRtcEndpoint"), "{one}");
    assert_eq!(client.get(&one, "getName").await, json!(one));
    assert_eq!(client.invoke(&one, "setName", json!({"name": "Ada"})).await.unwrap(), Value::Null);
    assert_eq!(client.get(&one, "getName").await, json!("Ada"));
    assert_eq!(client.get(&one, "getId").await, json!(one));
    assert_eq!(client.get(&one, "getParent").await, json!(pipeline));
    assert_eq!(client.get(&one, "getMediaPipeline").await, json!(pipeline));
    let children = client.get(&pipeline, "getChildren").await;
    assert_eq!(client.get(&pipeline, "getChilds").await, children, "the name of Kurento 6");
    for child in [&one, &two] {
        assert!(children.as_array().unwrap().contains(&json!(child)));
    }
    assert!(
        client
            .get(&one, "getCreationTime")
            .await
            .as_u64()
            .is_some_and(|s| s > 1_700_000_000 && s < 10_000_000_000)
    );
    client.invoke(&one, "addTag", json!({"key": "room", "value": "7"})).await.unwrap();
    assert_eq!(client.invoke(&one, "getTag", json!({"key": "room"})).await.unwrap(), json!("7"));
    let tag = json!([{"__module__": "kurento", "__type__": "Tag", "key": "room", "value": "7"}]);
    assert_eq!(client.get(&one, "getTags").await, tag);
    // Tags travel with events when they should.
    client.invoke(&one, "setSendTagsInEvents", json!({"sendTagsInEvents": true})).await.unwrap();
    assert_eq!(client.get(&one, "getSendTagsInEvents").await, json!(true));
    client.subscribe(&one, &["ElementConnected", "ElementConnected"]).await;
    client.invoke(&one, "connect", json!({"sink": two, "mediaType": "VIDEO"})).await.unwrap();
    let event = client.event(&one, "ElementConnected").await;
    assert_eq!(
        (&event["tags"], &event["type"], &event["source"]),
        (&tag, &json!("ElementConnected"), &json!(one))
    );
    assert_eq!((&event["sink"], &event["mediaType"]), (&json!(two), &json!("VIDEO")));
    assert_eq!(client.drain().await.len(), 0, "two subscriptions, one event");
    client.invoke(&one, "removeTag", json!({"key": "room"})).await.unwrap();
    assert_eq!(client.get(&one, "getTags").await, json!([]));
    let described = client.call("describe", json!({"object": two})).await.unwrap();
    assert_eq!(described["hierarchy"], json!(["kurento.MediaElement", "kurento.MediaObject"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_made_per_medium_and_old_sources_go() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    let mut endpoints = Vec::new();
    for _ in 0..3 {
        endpoints.push(client.element("WebRtcEndpoint", &pipeline).await);
    }
    let [a, b, c] = &endpoints[..] else { unreachable!() };
    for endpoint in [a, b] {
        client.subscribe(endpoint, &["ElementConnected", "ElementDisconnected"]).await;
    }
    client.invoke(a, "connect", json!({"sink": c})).await.unwrap();
    for medium in ["AUDIO", "VIDEO"] {
        client
            .event_where(a, "ElementConnected", |e| e["mediaType"] == medium && e["sink"] == json!(c))
            .await;
    }
    client
        .invoke(b, "connect", json!({"sink": c, "mediaType": "VIDEO", "sourceMediaDescription": "default"}))
        .await
        .unwrap();
    client.event_where(a, "ElementDisconnected", |e| e["mediaType"] == "VIDEO").await;
    client.event(b, "ElementConnected").await;
    let sources = client.get(c, "getSourceConnections").await;
    let source = |medium: &str| {
        let all = sources.as_array().unwrap();
        all.iter().find(|link| link["type"] == medium).unwrap()["source"].clone()
    };
    assert_eq!((source("AUDIO"), source("VIDEO")), (json!(a), json!(b)));
    assert_eq!(sources[0]["__type__"], "ElementConnectionData");
    let video = client.invoke(b, "getSinkConnections", json!({"mediaType": "VIDEO"})).await.unwrap();
    assert_eq!(video.as_array().unwrap().len(), 1);
    client.invoke(b, "disconnect", json!({"sink": c})).await.unwrap();
    client.event_where(b, "ElementDisconnected", |e| e["mediaType"] == "VIDEO").await;
    // In two steps as well.
    client.invoke(a, "connect", json!({"sink": c, "mediaType": "VIDEO"})).await.unwrap();
    client.event_where(a, "ElementConnected", |e| e["mediaType"] == "VIDEO").await;
    client.invoke(a, "disconnect", json!({"sink": c, "mediaType": "VIDEO"})).await.unwrap();
    client.event_where(a, "ElementDisconnected", |e| e["mediaType"] == "VIDEO").await;
    // An element that is released loses its links; what is gone may be released again.
    client.call("release", json!({"object": c})).await.unwrap();
    client.event_where(a, "ElementDisconnected", |e| e["mediaType"] == "AUDIO").await;
    client.call("release", json!({"object": c})).await.unwrap();
    assert_eq!(client.get(a, "getSinkConnections").await, json!([]));
    assert_eq!(client.drain().await, [] as [Value; 0]);
    let subscription =
        client.call("subscribe", json!({"object": a, "type": "ElementConnected"})).await.unwrap();
    let unsubscribe = json!({"object": a, "subscription": subscription["value"]});
    let result = client.call("unsubscribe", unsubscribe).await.unwrap();
    assert_eq!(result, json!({"sessionId": client.session}));
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_of_an_endpoint_are_those_of_the_element() {
    let rig = Rig::with(|config| config.network.allow_private = true).await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    let endpoint = client.element("WebRtcEndpoint", &pipeline).await;
    for (name, value) in [
        ("NetworkInterfaces", json!("lo")),
        ("StunServerAddress", json!("127.0.0.1")),
        ("StunServerPort", json!(3479)),
        ("TurnUrl", json!("user:secret@127.0.0.1:3478")),
        ("ExternalIPv4", json!("198.51.100.7")),
        ("MinVideoSendBandwidth", json!(150)),
        ("MaxVideoSendBandwidth", json!(800)),
        ("MaxVideoRecvBandwidth", json!(900)),
        ("MaxAudioRecvBandwidth", json!(40)),
        ("MinVideoRecvBandwidth", json!(10)),
        ("Mtu", json!(1100)),
        ("EncoderBitrate", json!(500_000)),
        ("MinEncoderBitrate", json!(100_000)),
        ("MaxEncoderBitrate", json!(700_000)),
        ("IceTcp", json!(false)),
    ] {
        let mut letters = name.chars();
        let lower: String = letters.next().unwrap().to_lowercase().chain(letters).collect();
        client.invoke(&endpoint, &format!("set{name}"), json!({lower: value})).await.unwrap();
        assert_eq!(client.get(&endpoint, &format!("get{name}")).await, value, "{name}");
    }
    let node = running(&rig);
    assert_eq!(node["stun_server"], json!("stun:127.0.0.1:3479"));
    assert_eq!(node["turn_servers"], json!(["turn:user:secret@127.0.0.1:3478"]));
    assert_eq!(node["interfaces"], json!(["lo"]));
    assert_eq!(node["announced_addresses"], json!(["198.51.100.7"]));
    assert_eq!((&node["min_bitrate"], &node["max_bitrate"]), (&json!(150), &json!(800)));
    assert_eq!(node["loopback"], json!(true), "the server is only heard on this machine");
    // Names of Kurento 6.
    client.invoke(&endpoint, "setMaxOutputBitrate", json!({"maxOutputBitrate": 600_000})).await.unwrap();
    assert_eq!(client.get(&endpoint, "getMaxOutputBitrate").await, json!(600_000));
    client.invoke(&endpoint, "setExternalAddress", json!({"externalAddress": "198.51.100.8"})).await.unwrap();
    assert_eq!(client.get(&endpoint, "getExternalIPv4").await, json!("198.51.100.8"));
    let remb = client.get(&endpoint, "getRembParams").await;
    assert_eq!((&remb["__type__"], &remb["upLosses"]), (&json!("RembParams"), &json!(12)));
    for (getter, value) in [("getMediaState", "DISCONNECTED"), ("getConnectionState", "DISCONNECTED")] {
        assert_eq!(client.get(&endpoint, getter).await, json!(value));
    }
    assert_eq!(client.get(&endpoint, "getICECandidatePairs").await, json!([]));
    assert_eq!(client.get(&endpoint, "getIceConnectionState").await[0]["state"], "DISCONNECTED");
    assert_eq!(client.get(&endpoint, "getDtlsConnectionState").await[0]["state"], "NEW");
}

/// The properties of the only element of the only pipeline.
fn running(rig: &Rig) -> Value {
    let all = rig.app.registry().all();
    let spec = all[0].pipeline.spec();
    Value::Object(spec.nodes.values().next().unwrap().properties.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_have_elements_as_long_as_they_have_pictures() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    let endpoint = client.element("WebRtcEndpoint", &pipeline).await;
    let face = client.element("FaceOverlayFilter", &pipeline).await;
    let image = client.element("ImageOverlayFilter", &pipeline).await;
    let pass = client.element("PassThrough", &pipeline).await;
    for (from, to) in [(&endpoint, &face), (&face, &image), (&image, &pass), (&pass, &endpoint)] {
        client.invoke(from, "connect", json!({"sink": to})).await.unwrap();
    }
    let links = |rig: &Rig| {
        let spec = rig.app.registry().all()[0].pipeline.spec();
        let mut links: Vec<String> = spec.links.iter().map(|link| link.id()).collect();
        links.sort();
        links.join(" ")
    };
    assert_eq!(
        links(&rig),
        "pass-through-2.video -> webrtc-1.video webrtc-1.audio -> webrtc-1.audio webrtc-1.video -> pass-through-2.video"
    );
    let place = |x: f64| json!({"uri": hat(), "offsetXPercent": x, "offsetYPercent": -1.2, "widthPercent": 1.6, "heightPercent": 1.6});
    client.invoke(&face, "setOverlayedImage", place(-0.35)).await.unwrap();
    let mut logo = place(0.1);
    logo["id"] = json!("logo");
    logo["keepAspectRatio"] = json!(true);
    logo["center"] = json!(true);
    client.invoke(&image, "addImage", logo).await.unwrap();
    assert!(links(&rig).contains("face-overlay-3.video -> image-overlay-4.video"), "{}", links(&rig));
    let properties = |id: &str| rig.app.registry().all()[0].pipeline.spec().nodes[id].properties.clone();
    assert_eq!(properties("face-overlay-3")["offset_x"], json!(-0.35));
    assert_eq!(properties("image-overlay-4")["x"], json!(0.9), "in the middle of its box");
    client.invoke(&face, "setOverlayedImage", place(-0.5)).await.unwrap();
    assert_eq!(properties("face-overlay-3")["offset_x"], json!(-0.5));
    client.invoke(&face, "unsetOverlayedImage", json!({})).await.unwrap();
    client.invoke(&image, "removeImage", json!({"id": "logo"})).await.unwrap();
    client.invoke(&image, "removeImage", json!({"id": "logo"})).await.unwrap();
    assert!(!links(&rig).contains("overlay"), "{}", links(&rig));
    let dot = client.get(&pipeline, "getGstreamerDot").await;
    assert!(dot.as_str().unwrap().contains("webrtc-1"), "{dot}");
    let dot = client.invoke(&endpoint, "getGstreamerDot", json!({"details": "SHOW_ALL"})).await.unwrap();
    assert!(dot.as_str().unwrap().contains("digraph"));
    client.invoke(&pipeline, "dumpGstreamerDot", json!({})).await.unwrap();
    client.invoke(&endpoint, "dumpGstreamerDot", json!({"details": "SHOW_STATES"})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_knows_the_server() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let manager = "manager_ServerManager";
    assert!(client.get(manager, "getCpuCount").await.as_u64().is_some_and(|n| n > 0));
    assert!(client.get(manager, "getUsedMemory").await.as_u64().is_some_and(|n| n > 1000));
    let used = client.invoke(manager, "getUsedCpu", json!({"interval": 20})).await.unwrap();
    assert!(used.as_f64().is_some_and(|n| (0.0..=100.0).contains(&n)), "{used}");
    assert_eq!(client.get(manager, "getMetadata").await, json!(""));
    let kmd = client.invoke(manager, "getKmd", json!({"moduleName": "filters"})).await.unwrap();
    let kmd: Value = serde_json::from_str(kmd.as_str().unwrap()).unwrap();
    assert_eq!((&kmd["name"], &kmd["version"]), (&json!("filters"), &json!("7.3.0")));
    assert!(
        kmd["remoteClasses"].as_array().unwrap().iter().any(|class| class["name"] == "FaceOverlayFilter")
    );
    client.subscribe(manager, &["ObjectCreated", "ObjectDestroyed"]).await;
    let pipeline = client.pipeline().await;
    let pass = client.element("PassThrough", &pipeline).await;
    assert_eq!(client.event(manager, "ObjectCreated").await["object"], json!(pipeline));
    assert_eq!(client.event(manager, "ObjectCreated").await["object"], json!(pass));
    // A pipeline takes what is in it along; the manager stays.
    client.call("release", json!({"object": pipeline})).await.unwrap();
    for object in [&pass, &pipeline] {
        client.event_where(manager, "ObjectDestroyed", |e| e["objectId"] == json!(object)).await;
    }
    client.call("release", json!({"object": manager})).await.unwrap();
    assert_eq!(client.get(manager, "getPipelines").await, json!([]));
    assert!(rig.app.registry().all().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filters_pictures_count_as_elements() {
    let rig = Rig::with(|config| config.limits.elements = 2).await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    let endpoint = client.element("WebRtcEndpoint", &pipeline).await;
    let image = client.element("ImageOverlayFilter", &pipeline).await;
    for (from, to) in [(&endpoint, &image), (&image, &endpoint)] {
        client.invoke(from, "connect", json!({"sink": to})).await.unwrap();
    }
    let logo = |id: &str| {
        json!({
            "id": id, "uri": hat(), "offsetXPercent": 0.1, "offsetYPercent": 0.1, "widthPercent": 0.1,
            "heightPercent": 0.1, "keepAspectRatio": true, "center": true,
        })
    };
    client.invoke(&image, "addImage", logo("one")).await.unwrap();
    let error = client.invoke(&image, "addImage", logo("two")).await.unwrap_err();
    assert_eq!(error.0, 40009);
    client.invoke(&image, "removeImage", json!({"id": "one"})).await.unwrap();
    client.invoke(&image, "addImage", logo("two")).await.unwrap();
}
