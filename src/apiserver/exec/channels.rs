//! `v5.channel.k8s.io` over a WebSocket, as kubectl speaks it: translated into our frames and back.
//!
//! A message is one byte for the channel and its content (kubernetes/apimachinery, `util/remotecommand/constants.go`).
//! How a program ended is a `Status` on the error channel.

use axum::extract::FromRequestParts;
use axum::extract::ws::CloseFrame;
use axum::extract::ws::Message;
use axum::extract::ws::WebSocket;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::close_code;
use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use http::request::Parts;
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use serde_json::Value;
use serde_json::json;
use tokio_util::io::StreamReader;

use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::exec::Input;
use crate::client::exec;
use crate::client::exec::Channel;
use crate::client::exec::End;
use crate::client::exec::LONGEST;
use crate::client::exec::frame;
use crate::client::exec::size_to_bytes;

/// The newest first; the older one cannot say that the input is over.
pub(super) const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

const INPUT: u8 = 0;
const OUTPUT: u8 = 1;
const ERROR: u8 = 2;
const END: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// The way to a WebSocket that speaks one of the protocols.
pub(super) async fn handshake(parts: &mut Parts) -> Result<WebSocketUpgrade, Status> {
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
    let upgrade = upgrade.map_err(|why| Status::bad_request(why.body_text()))?;
    let upgrade = upgrade.protocols(PROTOCOLS);
    if upgrade.selected_protocol().is_none() {
        let known = PROTOCOLS.join(" and ");
        return Err(Status::bad_request(format!(
            "this path speaks {known} over a WebSocket, and the request asks for neither"
        )));
    }
    Ok(upgrade)
}

/// Translates until the program or the caller is gone.
pub(super) async fn copy(api: &Api, socket: WebSocket, input: Input, output: Incoming) {
    let (mut to_caller, mut from_caller) = socket.split();
    let taking = async {
        while let Some(Ok(message)) = from_caller.next().await {
            let bytes = match message {
                Message::Binary(bytes) => bytes,
                Message::Close(_) => return,
                _ => continue,
            };
            for bytes in frames(&bytes) {
                if input.send(Ok(Bytes::from(bytes))).await.is_err() {
                    // The program is over; its last words are on their way.
                    std::future::pending::<()>().await;
                }
            }
        }
    };
    let giving = async {
        let output = BodyDataStream::new(output).map_err(std::io::Error::other);
        let mut output = StreamReader::new(Box::pin(output));
        while let Ok(Some((channel, content))) = exec::read(&mut output).await {
            let Some(message) = message(channel, &content) else {
                continue;
            };
            // Without content it only finds out whether the caller is still there.
            let message = if content.is_empty() {
                Message::Ping(Bytes::new())
            } else {
                Message::Binary(message.into())
            };
            if to_caller.send(message).await.is_err() {
                return;
            }
            if channel == Channel::End {
                break;
            }
        }
        // Without a code it would count as an accident.
        let over = CloseFrame {
            code: close_code::NORMAL,
            reason: "".into(),
        };
        let _ = to_caller.send(Message::Close(Some(over))).await;
        let _ = to_caller.close().await;
    };
    tokio::select! {
        () = taking => {}
        () = giving => {}
        () = api.closing() => {}
    }
}

/// What a caller's message means to the program.
fn frames(message: &[u8]) -> Vec<Vec<u8>> {
    match message {
        [INPUT, content @ ..] => content
            .chunks(LONGEST)
            .map(|piece| frame(Channel::Input, piece))
            .collect(),
        [RESIZE, content @ ..] => {
            let size: Value = serde_json::from_slice(content).unwrap_or_default();
            let side = |name: &str| u16::try_from(size[name].as_u64()?).ok();
            let size = side("Width").zip(side("Height"));
            let size = size.map(|(columns, rows)| size_to_bytes(columns, rows));
            size.iter()
                .map(|size| frame(Channel::Resize, size))
                .collect()
        }
        [CLOSE, INPUT] => vec![frame(Channel::Input, &[])],
        _ => Vec::new(),
    }
}

/// What a frame of the program's is to the caller.
fn message(channel: Channel, content: &[u8]) -> Option<Vec<u8>> {
    let (number, content) = match channel {
        Channel::Output => (OUTPUT, content.to_vec()),
        Channel::Error => (ERROR, content.to_vec()),
        Channel::End => {
            let end: End = serde_json::from_slice(content).unwrap_or_default();
            (END, status_of(&end).to_string().into_bytes())
        }
        _ => return None,
    };
    Some([vec![number], content].concat())
}

/// As kubelet says it (kubernetes/cri-client, `pkg/streaming/remotecommand/exec.go`).
fn status_of(end: &End) -> Value {
    let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}});
    if end.code == 0 && end.message.is_empty() {
        status["status"] = "Success".into();
        return status;
    }
    let code = end.code.to_string();
    status["status"] = "Failure".into();
    status["reason"] = "NonZeroExitCode".into();
    status["details"] = json!({"causes": [{"reason": "ExitCode", "message": code}]});
    status["message"] = if end.message.is_empty() {
        format!("command terminated with non-zero exit code: exit status {code}").into()
    } else {
        end.message.clone().into()
    };
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_s_messages_become_frames() {
        let input = |content: &[u8]| frame(Channel::Input, content);
        assert_eq!(frames(b"\x00abc"), [input(b"abc")]);
        let long = [&[INPUT][..], &vec![7; LONGEST + 1]].concat();
        assert_eq!(frames(&long), [input(&vec![7; LONGEST]), input(&[7])]);
        assert_eq!(frames(&[CLOSE, INPUT]), [input(b"")]);
        let size = frame(Channel::Resize, &size_to_bytes(132, 43));
        assert_eq!(frames(b"\x04{\"Width\":132,\"Height\":43}"), [size]);
        // An empty piece of input is not its end, and nothing else means anything.
        let nothing: [Vec<u8>; 0] = [];
        for message in [
            &b"\x00"[..],
            b"",
            b"\x04{}",
            b"\x04{\"Width\":70000,\"Height\":1}",
            b"\x09x",
        ] {
            assert_eq!(frames(message), nothing, "{message:?}");
        }
    }

    #[test]
    fn a_program_s_end_is_a_status() {
        let end = |code: u8, text: &str| {
            let end = End {
                code,
                message: text.to_owned(),
            };
            let bytes = message(Channel::End, &serde_json::to_vec(&end).unwrap()).unwrap();
            assert_eq!(bytes[0], END);
            serde_json::from_slice::<Value>(&bytes[1..]).unwrap()
        };
        assert_eq!(end(0, "")["status"], "Success");
        let failed = end(3, "");
        assert_eq!(failed["reason"], "NonZeroExitCode");
        assert_eq!(failed["details"]["causes"][0]["message"], "3");
        assert_eq!(
            end(127, "exec: \"x\": not found")["message"],
            "exec: \"x\": not found"
        );
        assert_eq!(message(Channel::Output, b"o"), Some(b"\x01o".to_vec()));
        assert_eq!(message(Channel::Error, b"e"), Some(b"\x02e".to_vec()));
        assert_eq!(message(Channel::Signal, b"x"), None);
    }
}
