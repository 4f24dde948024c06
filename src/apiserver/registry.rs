//! The OCI distribution API at `/v2/`: blobs by digest, as far as bundles and logs need it.

use axum::body::Body;

use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::authentication::Identity;
use crate::apiserver::response;
use crate::apiserver::response::Response;

/// Answers a request below `/v2/`; anonymous ones never come here.
pub(super) async fn serve(
    _api: &Api,
    _identity: &Identity,
    _request: http::Request<Body>,
) -> Response {
    response::status(&Status::no_such_path())
}
