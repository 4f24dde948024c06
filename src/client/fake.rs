//! A server that says what a test tells it to, request by request.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::client::Body;
use crate::client::Client;
use crate::client::Error;
use crate::client::Io;
use crate::client::Transport;

/// Answers in the order given; a request beyond them waits for ever.
#[derive(Default)]
pub(crate) struct Fake {
    answers: Mutex<VecDeque<Result<http::Response<Body>, Error>>>,
    asked: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn client() -> (Arc<Fake>, Client) {
        let fake = Arc::new(Fake::default());
        (fake.clone(), Client::new(fake))
    }

    /// The requests so far: `GET /path?query`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn fail(&self, error: Error) {
        self.answers.lock().unwrap().push_back(Err(error));
    }

    pub(crate) fn answer(&self, code: u16, headers: &[(&str, &str)], body: Body) {
        let mut response = http::Response::builder().status(code);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(body).unwrap();
        self.answers.lock().unwrap().push_back(Ok(response));
    }

    pub(crate) fn json(&self, code: u16, value: &Value) {
        self.answer(code, &[], Body::whole(value.to_string()));
    }

    /// Answers with a body that the test goes on to write; dropping the sender ends it.
    pub(crate) fn stream(&self) -> mpsc::UnboundedSender<Result<Bytes, Error>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        });
        self.answer(200, &[], Body::new(stream));
        sender
    }
}

impl Transport for Fake {
    fn call(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Body>, Error>> {
        let line = format!("{} {}", request.method(), request.uri());
        self.asked.lock().unwrap().push(line);
        match self.answers.lock().unwrap().pop_front() {
            Some(answer) => futures_util::future::ready(answer).boxed(),
            None => futures_util::future::pending().boxed(),
        }
    }

    fn tunnel(&self, path: &str) -> BoxFuture<'_, Result<Box<dyn Io>, Error>> {
        let error = Error::Setup(format!("no tunnel at {path}"));
        futures_util::future::ready(Err(error)).boxed()
    }
}
