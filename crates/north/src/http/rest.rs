//! What a dialect answers below its prefixes where it has no operation, so that no path of it is answered in another form.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::Method,
    response::Response,
    routing::any,
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

/// What there is besides the operations of a dialect.
#[derive(Clone, Copy)]
pub(crate) struct Rest {
    /// What its paths begin with.
    pub prefixes: &'static [&'static str],
    /// The answer for a path that it does not have.
    pub unknown: fn(&Request) -> Response,
    /// The answer for a method that a path does not have.
    pub wrong_method: fn(&Request) -> Response,
    /// Whether there is a DELETE for what is below this path.
    pub deletes_below: fn(&str) -> bool,
}

impl Rest {
    /// Answers whatever else there is below the prefixes. A path with slashes too many, of a base address that ends in one or of a program that
    /// ends its own with one, is the path without them.
    pub fn refused(self, operations: Router) -> Router {
        let operations = operations.method_not_allowed_fallback(async move |request: Request| (self.wrong_method)(&request));
        let tidy = operations.clone().fallback(async move |request: Request| (self.unknown)(&request));
        let tidy = TowerToHyperService::new(tidy);
        let rest = any(move |request: Request| {
            let tidy = tidy.clone();
            async move {
                match self.tidied(request) {
                    Ok(request) => tidy.call(request).await.unwrap_or_else(|never| match never {}),
                    Err(request) => (self.unknown)(&request),
                }
            }
        });
        let prefixes = self.prefixes.iter().flat_map(|prefix| [(*prefix).to_owned(), format!("/{prefix}")]);
        let paths = prefixes.flat_map(|prefix| [format!("{prefix}/"), format!("{prefix}/{{*rest}}"), prefix]);
        paths.fold(operations, |router, path| router.route(&path, rest.clone()))
    }

    /// The request without slashes too many; itself where it has none. A deletion whose last segment is empty has lost its id: it is not one of
    /// all.
    fn tidied(self, mut request: Request) -> Result<Request, Box<Request>> {
        let uri = request.uri();
        let segments: Vec<_> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let path = format!("/{}", segments.join("/"));
        let lost_its_id = request.method() == Method::DELETE && uri.path().ends_with('/') && (self.deletes_below)(&path);
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        match format!("{path}{query}").parse() {
            Ok(tidy) if path != uri.path() && !lost_its_id => {
                *request.uri_mut() = tidy;
                request.extensions_mut().remove::<MatchedPath>();
                Ok(request)
            }
            _ => Err(Box::new(request)),
        }
    }
}
