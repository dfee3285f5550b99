//! The OpenAPI documents of the APIs that are on, at /openapi, for whoever generates clients of them. They need no token, as they say nothing
//! about this server but the address it was asked at.

use crate::http::Origin;
use axum::{
    Json, Router,
    extract::{Extension, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// What the documents say as the address of the server.
pub const ADDRESS: &str = "https://localhost:8743";
/// How long a client may do without asking again; it depends on the address asked.
const CACHED: &str = "max-age=3600";

/// The OpenAPI document of an API, in YAML.
#[derive(Clone, Copy, Debug)]
pub struct Document {
    /// The name of the API.
    pub name: &'static str,
    /// The text; in its `servers` stands [`ADDRESS`].
    pub yaml: &'static str,
}

impl Document {
    /// The text for whoever asked here.
    pub(crate) fn at(&self, origin: &Origin) -> String {
        self.yaml.replacen(ADDRESS, &origin.to_string(), 1)
    }
}

/// The list of these documents at /openapi, each at `/openapi/NAME.yaml`.
pub fn router(documents: Vec<Document>) -> Router {
    let routes = Router::new().route("/openapi", get(index)).route("/openapi/{file}", get(show));
    routes.with_state(Arc::from(documents))
}

async fn index(State(documents): State<Arc<[Document]>>, Extension(origin): Extension<Origin>) -> Json<Value> {
    let shown = |one: &Document| json!({ "name": one.name, "url": format!("{origin}/openapi/{}.yaml", one.name) });
    Json(json!({ "documents": documents.iter().map(shown).collect::<Vec<_>>() }))
}

async fn show(
    State(documents): State<Arc<[Document]>>,
    Extension(origin): Extension<Origin>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(document) = documents.iter().find(|one| file.strip_suffix(".yaml") == Some(one.name)) else {
        let error = json!({ "error": "there is no such document; see /openapi" });
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    };
    let text = document.at(&origin);
    let tag = format!("\"{}\"", hex::encode(&landfall_core::digest(&text).0[..16]));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    let about = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, CACHED),
        (header::VARY, "Host, X-Forwarded-Proto"),
        (header::CONTENT_TYPE, "application/yaml"),
    ];
    if known { (StatusCode::NOT_MODIFIED, about).into_response() } else { (about, text).into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admin, dialects::Sections};
    use axum::{
        body::{Body, to_bytes},
        extract::Request,
    };
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    fn all() -> Vec<Document> {
        Sections::default().documents().into_iter().chain([admin::DOCUMENT]).collect()
    }

    async fn asked(documents: Vec<Document>, path: &str, tag: &str) -> (Response, String) {
        let request = Request::builder().uri(path).header("if-none-match", tag).body(Body::empty()).unwrap();
        let origin = Origin::of(true, Some("iot.example:8743"));
        let service = TowerToHyperService::new(router(documents).layer(Extension(origin)));
        let mut response = service.call(request).await.unwrap();
        let body = to_bytes(std::mem::take(response.body_mut()), 1_000_000).await.unwrap();
        (response, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_document_says_where_it_was_asked_for() {
        for Document { name, yaml } in all() {
            assert_eq!(yaml.matches(ADDRESS).count(), 1, "{name}: its servers have the address that is replaced");
            let path = format!("/openapi/{name}.yaml");
            let (response, text) = asked(all(), &path, "").await;
            assert_eq!(
                (response.status().as_u16(), &response.headers()["content-type"]),
                (200, &"application/yaml".parse().unwrap())
            );
            assert_eq!(text, yaml.replace(ADDRESS, "https://iot.example:8743"), "{name}");
            let tag = response.headers()["etag"].to_str().unwrap();
            let (again, text) = asked(all(), &path, tag).await;
            assert_eq!((again.status().as_u16(), text.as_str()), (304, ""));
        }
    }

    #[tokio::test]
    async fn what_is_off_has_no_document() {
        for Document { name, .. } in Sections::default().documents() {
            let off: Sections = serde_json::from_value(json!({ name: {"enabled": false} })).unwrap();
            let (response, _) = asked(off.documents(), &format!("/openapi/{name}.yaml"), "").await;
            assert_eq!(response.status(), 404, "{name}");
            let (_, index) = asked(off.documents(), "/openapi", "").await;
            assert!(!index.contains(name) && index.contains("https://iot.example:8743/openapi/"), "{index}");
        }
    }
}
