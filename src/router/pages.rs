//! What a client sees when no endpoint answered: a small page, in the words of OpenShift's router.

use bytes::Bytes;
use http::HeaderValue;
use http::Response;
use http::StatusCode;
use http::header;

/// Why a request was not answered by an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request names no host, or its body is broken.
    BadRequest,
    /// It wants a tunnel to anywhere.
    NotAProxy,
    /// No route has this host and path.
    NoRoute,
    /// The route has no endpoint in rotation, or none that can be connected to.
    NotAvailable,
    /// The endpoint broke off.
    Broken,
    /// The endpoint did not begin its answer in time.
    Late,
}

impl Failure {
    pub(crate) fn code(self) -> StatusCode {
        match self {
            Failure::BadRequest => StatusCode::BAD_REQUEST,
            Failure::NotAProxy => StatusCode::METHOD_NOT_ALLOWED,
            Failure::NoRoute | Failure::NotAvailable => StatusCode::SERVICE_UNAVAILABLE,
            Failure::Broken => StatusCode::BAD_GATEWAY,
            Failure::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Failure::BadRequest => ("Bad request", "The request cannot be understood."),
            Failure::NotAProxy => (
                "Method not allowed",
                "This router leads to applications only.",
            ),
            Failure::NoRoute => (
                "Application is not available",
                "No route leads here. The host or the path may be misspelt, or the route was not admitted.",
            ),
            Failure::NotAvailable => (
                "Application is not available",
                "The application is currently not serving requests at this endpoint. \
                 It may not have been started or is still starting.",
            ),
            Failure::Broken => (
                "Application broke off",
                "The application ended the connection before it answered.",
            ),
            Failure::Late => (
                "Application does not answer",
                "The application did not answer in time.",
            ),
        }
    }

    /// The whole answer.
    pub(crate) fn page(self) -> Response<Bytes> {
        let (title, text) = self.words();
        let page = format!(
            "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body style=\"font-family: sans-serif; margin: 4em\">\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
        );
        let mut response = Response::new(Bytes::from(page));
        *response.status_mut() = self.code();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=0, no-cache, no-store"),
        );
        response
    }
}
