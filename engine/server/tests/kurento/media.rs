//! Players and recorders.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_played_into_a_recorder() {
    let rig = Rig::new().await;
    let film = rig.film("film.webm", 45).await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    let player =
        client.create("PlayerEndpoint", json!({"mediaPipeline": pipeline, "uri": film})).await.unwrap();
    let copy = rig.file("copy.webm");
    let parameters = json!({"mediaPipeline": pipeline, "uri": copy, "mediaProfile": "WEBM_VIDEO_ONLY"});
    let recorder = client.create("RecorderEndpoint", parameters).await.unwrap();
    for (object, events) in [
        (&player, &["UriEndpointStateChanged", "EndOfStream", "MediaFlowOutStateChanged", "Error"][..]),
        (&recorder, &["UriEndpointStateChanged", "Recording", "Stopped", "MediaFlowInStateChanged", "Error"]),
    ] {
        client.subscribe(object, events).await;
    }
    assert_eq!(client.get(&player, "getUri").await, json!(film));
    assert_eq!(client.get(&player, "getState").await, "STOP");
    client.invoke(&player, "connect", json!({"sink": recorder})).await.unwrap();
    let links = client.get(&player, "getSinkConnections").await;
    assert_eq!(links.as_array().unwrap().len(), 1, "the profile takes video only");
    client.invoke(&recorder, "record", json!({})).await.unwrap();
    client.event(&recorder, "Recording").await;
    client.invoke(&player, "play", json!({})).await.unwrap();
    client.invoke(&player, "play", json!({})).await.unwrap();
    assert_eq!(client.event(&player, "UriEndpointStateChanged").await["state"], "START");
    assert_eq!(client.get(&recorder, "getState").await, "START");
    let flows = |e: &serde_json::Value| e["state"] == "FLOWING" && e["mediaType"] == "VIDEO";
    client.event_where(&player, "MediaFlowOutStateChanged", flows).await;
    client.event_where(&recorder, "MediaFlowInStateChanged", flows).await;
    assert_eq!(
        client.invoke(&recorder, "isMediaFlowingIn", json!({"mediaType": "VIDEO"})).await.unwrap(),
        json!(true)
    );
    assert_eq!(
        client.invoke(&recorder, "isMediaFlowingIn", json!({"mediaType": "AUDIO"})).await.unwrap(),
        json!(false)
    );
    client.event(&player, "EndOfStream").await;
    assert_eq!(client.event(&player, "UriEndpointStateChanged").await["state"], "STOP");
    client.invoke(&recorder, "stopAndWait", json!({})).await.unwrap();
    client.event(&recorder, "Stopped").await;
    let path = rig.folder.path().join("copy.webm");
    assert!(std::fs::metadata(&path).is_ok_and(|file| file.len() > 1000), "{}", path.display());
    // Again, from the start.
    client.invoke(&player, "play", json!({})).await.unwrap();
    assert!(client.get(&player, "getPosition").await.is_u64());
    assert_eq!(client.get(&player, "getVideoInfo").await["__type__"], "VideoInfo");
    client.invoke(&player, "stop", json!({})).await.unwrap();
    client.event_where(&player, "UriEndpointStateChanged", |e| e["state"] == "STOP").await;
    let stats = client.get(&player, "getStats").await;
    assert_eq!(stats[&player]["type"], "endpoint");
    assert_eq!(client.came("Error"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_played_or_written_says_so() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let pipeline = client.pipeline().await;
    std::fs::write(rig.folder.path().join("no-film.webm"), "this is no film").unwrap();
    let broken = json!({"mediaPipeline": pipeline, "uri": rig.file("no-film.webm")});
    let player = client.create("PlayerEndpoint", broken).await.unwrap();
    client.subscribe(&player, &["Error", "UriEndpointStateChanged"]).await;
    client.invoke(&player, "play", json!({})).await.unwrap();
    let error = client.event(&player, "Error").await;
    assert_eq!((&error["type"], &error["errorCode"]), (&json!("INVALID_MEDIA"), &json!(0)));
    assert!(error["description"].as_str().is_some_and(|text| !text.is_empty()));
    client.event_where(&player, "UriEndpointStateChanged", |e| e["state"] == "STOP").await;
    // The pipeline goes on.
    let other = client.element("WebRtcEndpoint", &pipeline).await;
    assert_eq!(client.get(&pipeline, "getChildren").await, json!([player, other]));
    // An address that is no file does not fail before it is used.
    let far = json!({"mediaPipeline": pipeline, "uri": "https://example.org/a.webm"});
    let recorder = client.create("RecorderEndpoint", far).await.unwrap();
    assert_eq!(client.invoke(&recorder, "record", json!({})).await.unwrap_err().0, 40107);
    assert_eq!(client.get(&recorder, "getState").await, "STOP");
    // Outside of the folders that clients may name.
    let outside = json!({"mediaPipeline": pipeline, "uri": "file:///etc/passwd"});
    let player = client.create("PlayerEndpoint", outside).await.unwrap();
    let error = client.invoke(&player, "play", json!({})).await.unwrap_err();
    assert_eq!((error.0, error.2.as_deref()), (40107, Some("MEDIA_OBJECT_ILLEGAL_PARAM_ERROR")));
    let outside = json!({"mediaPipeline": pipeline, "uri": "file:///etc/a.webm"});
    let recorder = client.create("RecorderEndpoint", outside).await.unwrap();
    assert_eq!(client.invoke(&recorder, "record", json!({})).await.unwrap_err().0, 40107);
}
