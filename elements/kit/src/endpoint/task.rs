//! The task of an endpoint: it alone talks to the peer, one request at a time.

use std::sync::mpsc as blocking;

use tokio::sync::{mpsc, oneshot};

use super::runtime;

/// The way to a running task that takes requests of one type.
#[derive(Debug)]
pub struct TaskHandle<R> {
    requests: mpsc::UnboundedSender<R>,
    stop: Option<oneshot::Sender<()>>,
    done: blocking::Receiver<()>,
}

impl<R> TaskHandle<R> {
    /// Starts a task, which gets its requests and the sign that it is to end and give everything back.
    /// `None`: there are no threads left.
    pub fn start<F>(task: impl FnOnce(mpsc::UnboundedReceiver<R>, oneshot::Receiver<()>) -> F) -> Option<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = runtime::handle()?;
        let (requests, inbox) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let (finished, done) = blocking::channel();
        let task = task(inbox, stopped);
        runtime.spawn(async move {
            task.await;
            // Nobody waits if the handle was dropped.
            let _ = finished.send(());
        });
        Some(TaskHandle { requests, stop: Some(stop), done })
    }

    /// Hands a request to the task; they are carried out in their order.
    pub fn send(&self, request: R) {
        // A task that is ending drops what comes, and that answers commands.
        let _ = self.requests.send(request);
    }

    /// Another way to the task.
    pub fn sender(&self) -> mpsc::UnboundedSender<R> {
        self.requests.clone()
    }

    /// Ends the task and waits until it has given everything back.
    pub fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // An error says that the task is gone already.
            let _ = stop.send(());
        }
        // An error says that the task is gone, too.
        let _ = self.done.recv();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_stopped_task_has_given_everything_back() {
        let sum = Arc::new(AtomicU32::new(0));
        let (seen, saw) = blocking::channel();
        let counted = sum.clone();
        let handle = TaskHandle::start(|mut inbox: mpsc::UnboundedReceiver<u32>, stopped| async move {
            let work = async {
                while let Some(number) = inbox.recv().await {
                    counted.fetch_add(number, Ordering::Relaxed);
                    seen.send(()).unwrap();
                }
            };
            tokio::select! { _ = stopped => {}, () = work => {} }
            counted.fetch_add(1000, Ordering::Relaxed);
        })
        .unwrap();
        handle.send(1);
        handle.sender().send(2).unwrap();
        saw.recv().unwrap();
        saw.recv().unwrap();
        handle.stop();
        assert_eq!(sum.load(Ordering::Relaxed), 1003);
        assert_eq!(Arc::strong_count(&sum), 1);
    }
}
