//! Requests a second of one client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::extract::Request;
use axum::http::StatusCode;

use crate::config::Limits;
use crate::listen::Client;
use crate::problem::{Code, Problem};

/// Clients that are remembered; beyond that, those who have not asked for long are forgotten.
const REMEMBERED: usize = 4096;

/// A bucket of requests for each client address: it fills with time and is emptied by asking.
pub(crate) struct Rates {
    per_second: f64,
    burst: f64,
    clients: Mutex<HashMap<IpAddr, Bucket>>,
    /// Answers by the first digit of their status.
    answers: [AtomicU64; 6],
    refused: AtomicU64,
}

struct Bucket {
    left: f64,
    seen: Instant,
}

impl Rates {
    pub fn new(limits: &Limits) -> Self {
        Rates {
            per_second: f64::from(limits.requests_per_second.max(1)),
            burst: f64::from(limits.request_burst.max(1)),
            clients: Mutex::default(),
            answers: Default::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Counts an answer.
    pub fn answered(&self, status: StatusCode) {
        if let Some(count) = self.answers.get(usize::from(status.as_u16() / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers so far by the first digit of their status.
    pub fn answers(&self) -> impl Iterator<Item = (usize, u64)> {
        self.answers.iter().enumerate().skip(1).map(|(status, count)| (status, count.load(Ordering::Relaxed)))
    }

    /// Requests over the limit so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes one request.
    pub fn take(&self, request: &Request) -> Result<(), Problem> {
        let Some(client) = request.extensions().get::<Client>() else { return Ok(()) };
        self.take_at(client.0.ip(), Instant::now())
    }

    fn take_at(&self, client: IpAddr, now: Instant) -> Result<(), Problem> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= REMEMBERED {
            // A bucket that is full again says nothing.
            let full = self.burst / self.per_second;
            clients.retain(|_, b| now.duration_since(b.seen).as_secs_f64() < full);
        }
        let bucket = clients.entry(client).or_insert(Bucket { left: self.burst, seen: now });
        let gained = now.duration_since(bucket.seen).as_secs_f64() * self.per_second;
        bucket.left = (bucket.left + gained).min(self.burst);
        bucket.seen = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        let detail = format!("at most {} requests a second", self.per_second);
        Err(Problem::new(Code::RateLimit, detail).with("limit", self.per_second).retry_after(1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let limits = Limits { requests_per_second: 2, request_burst: 3, ..Limits::default() };
        let rates = Rates::new(&limits);
        let (a, b, start) = (IpAddr::from([1, 1, 1, 1]), IpAddr::from([2, 2, 2, 2]), Instant::now());
        let passed = |client, at| rates.take_at(client, at).is_ok();
        assert_eq!([(); 4].map(|()| passed(a, start)), [true, true, true, false]);
        assert!(passed(b, start), "another client has a bucket of its own");
        let later = start + Duration::from_millis(500);
        assert_eq!([(); 2].map(|()| passed(a, later)), [true, false]);
        assert_eq!(rates.take_at(a, later).unwrap_err().code, Code::RateLimit);
    }
}
