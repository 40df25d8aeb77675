//! Connections: large, slow, idle and many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{LIMIT, Request};
use crate::server::Running;

#[test]
fn large_bodies_are_refused_without_reading_them() {
    let server = Running::start("");
    // 100 MB announced: the answer comes before the body.
    let mut connection = Request::new("POST", "/api/v1/pipelines")
        .header("Content-Length", "100000000")
        .body("application/yaml", "x")
        .open(server.address);
    let head = connection.head();
    assert_eq!(head.status, 413);
    // 100 MB in chunks without a length: cut off at the limit.
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(
        stream,
        "POST /api/v1/pipelines HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.address
    )
    .unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    let mut sent = 0;
    while sent < 100 << 20 && stream.write_all(&chunk).is_ok() {
        sent += 0x10000;
    }
    assert!(sent < 50 << 20, "{sent} bytes were taken");
    assert_eq!(server.get("/health").status, 200);
    server.create(&"x".repeat(2 << 20)).expect_problem(413, "too-large");
}

#[test]
fn a_head_without_end_is_refused() {
    let server = Running::start("");
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET /health HTTP/1.1\r\nHost: {}\r\n", server.address).unwrap();
    let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
    let mut sent = 0;
    while sent < 10 << 20 && stream.write_all(line.as_bytes()).is_ok() {
        sent += line.len();
    }
    assert!(sent < 10 << 20, "{sent} bytes were taken");
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn slow_heads_slow_bodies_and_silence_are_cut_off() {
    let server = Running::start("[limits]\nheader_seconds = 1\nbody_seconds = 1\n");
    let cut = |begin: &str| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let began = Instant::now();
    assert!(!cut("").contains("200"));
    assert!(!cut("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").contains(" 200 "));
    let kept_alive = cut("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(kept_alive.contains(" 200 "), "{kept_alive}");
    let body = cut("POST /api/v1/pipelines HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc");
    assert!(body.contains(" 408 ") && body.contains("too-slow"), "{body}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn idle_sockets_keep_nobody_out() {
    let server = Running::start("[limits]\nconnections = 60\nconnections_per_client = 50\n");
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    for _ in 0..20 {
        assert_eq!(server.get("/health").status, 200);
    }
    drop(idle);
}

#[test]
fn listeners_are_not_idle_and_newcomers_are_told() {
    let server = Running::start("[limits]\nconnections = 3\nconnections_per_client = 3\n");
    let listen =
        || Request::new("GET", "/api/v1/events").header("Accept", "text/event-stream").open(server.address);
    let mut listeners: Vec<_> = (0..3).map(|_| listen()).collect();
    for listener in &mut listeners {
        assert_eq!(listener.head().status, 200);
    }
    server.get("/health").expect_problem(503, "connection-limit");
    listeners.pop();
    while server.get("/health").status != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn who_asks_too_often_is_told_to_wait() {
    let server = Running::start("[limits]\nrequests_per_second = 1\nrequest_burst = 5\n");
    let began = Instant::now();
    let mut answered = 0;
    let refused = loop {
        let answer = server.get("/health");
        if answer.status != 200 {
            break answer;
        }
        answered += 1;
        // Each second gives one more.
        assert!(answered <= 5 + began.elapsed().as_secs(), "{answered} answers");
    };
    assert!(answered >= 5, "{answered} answers");
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.expect_problem(429, "rate-limit");
}

#[test]
fn nonsense_on_the_wire_hurts_nobody() {
    let server = Running::start("");
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(100_000));
    let cases: [&[u8]; 8] = [
        b"\r\n\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"POST /api/v1/pipelines HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/pipelines HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"GET /\x00\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        long_path.as_bytes(),
    ];
    for case in cases {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(case).unwrap();
        // Who was refused before all was read has no connection any more.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains(" 200 ") && !answer.contains(" 500 "), "{answer}");
    }
    assert_eq!(server.get("/health").status, 200);
}
