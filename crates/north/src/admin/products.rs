//! /products: models of an account, made, imported and replaced.

use super::{
    caller::{JsonBody, Over, RawBody},
    error::{Answer, Refusal},
    import::read_model,
    package::{Package, read_package},
    query::{id, listed},
    view,
};
use axum::{
    Json,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
};
use landfall_core::ProductDraft;
use landfall_model::{Cause, DataFormat, Error, Lwm2mModel, Product, Result};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

pub(super) async fn create(over: Over, RawBody(bytes): RawBody) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&[])?;
    let product = over.core.create_product(&over.scope, read_model(&bytes)?).await?;
    Ok((StatusCode::CREATED, Json(view::product(&product))))
}

pub(super) async fn list(over: Over) -> Answer {
    let page = over.params.paged(&[])?;
    Ok(listed(&over.core.products(&over.scope, page).await?, |product| view::product_summary(product)))
}

pub(super) async fn show(over: Over, Path(product): Path<String>) -> Answer {
    over.params.only(&[])?;
    Ok(Json(view::product(&*one(&over, &product).await?)))
}

pub(super) async fn replace(over: Over, Path(product): Path<String>, RawBody(bytes): RawBody) -> Answer {
    over.params.only(&[])?;
    let draft = read_model(&bytes)?;
    let id = one(&over, &product).await?.id;
    Ok(Json(view::product(&*over.core.replace_product(&over.scope, id, draft).await?)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChangeBody {
    name: Option<String>,
    format: Option<DataFormat>,
    /// Null ends self-registration.
    #[serde(default, deserialize_with = "sent")]
    auto_register: Option<Option<String>>,
    claims: Option<bool>,
    /// Replaces the whole.
    lwm2m: Option<Lwm2mModel>,
}

fn sent<'de, D: Deserializer<'de>>(input: D) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(input).map(Some)
}

pub(super) async fn change(over: Over, Path(product): Path<String>, JsonBody(body): JsonBody<ChangeBody>) -> Answer {
    over.params.only(&[])?;
    let product = one(&over, &product).await?;
    let mut draft = draft_of(&product);
    draft.name = body.name.unwrap_or(draft.name);
    draft.format = body.format.unwrap_or(draft.format);
    draft.lwm2m = body.lwm2m.unwrap_or(draft.lwm2m);
    draft.claims = body.claims;
    match body.auto_register {
        None => {}
        Some(None) => draft.auto_register = None,
        Some(Some(app)) => {
            draft.auto_register = Some(over.app(&app).await.map_err(|error| error.at("autoRegister"))?.id);
        }
    }
    Ok(Json(view::product(&*over.core.replace_product(&over.scope, product.id, draft).await?)))
}

pub(super) async fn delete(over: Over, Path(product): Path<String>) -> Answer<StatusCode> {
    over.params.only(&[])?;
    let id = one(&over, &product).await?.id;
    over.core.delete_product(&over.scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One-model-one-secret on: a new product secret, shown once.
pub(super) async fn secret_on(over: Over, Path(product): Path<String>) -> Answer {
    over.params.only(&[])?;
    let id = one(&over, &product).await?.id;
    let secret = over.core.set_product_secret(&over.scope, id, true).await?;
    Ok(Json(json!({ "productId": id, "secret": secret.as_ref().map(|secret| secret.expose()) })))
}

pub(super) async fn secret_off(over: Over, Path(product): Path<String>) -> Answer<StatusCode> {
    over.params.only(&[])?;
    let id = one(&over, &product).await?.id;
    over.core.set_product_secret(&over.scope, id, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a model or a profile package. `replace=true` updates the product that has the same keys; `dryRun=true` only tells.
pub(super) async fn import(over: Over, headers: HeaderMap, RawBody(bytes): RawBody) -> Answer {
    let params = &over.params;
    params.only(&["replace", "dryRun", "name", "format"])?;
    let (replace, dry_run) = (params.flag("replace")?, params.flag("dryRun")?);
    let form = form(&headers)?;
    let Package { mut draft, notes } = match form {
        Form::Model => Package { draft: read_model(&bytes)?, notes: vec![] },
        Form::Package => read_package(&bytes)?,
    };
    let old = over.core.product_by_key(&over.scope, &draft.key).await?;
    if let (Form::Package, Some(old)) = (form, &old) {
        // A package says nothing of these.
        let (name, lwm2m) = (old.name.clone(), old.lwm2m.clone());
        draft = ProductDraft { name, format: old.format, lwm2m, auto_register: old.auto_register, ..draft };
    }
    if let Some(name) = params.text("name") {
        draft.name = name.to_owned();
    }
    match params.text("format") {
        None => {}
        Some("json") => draft.format = DataFormat::Json,
        Some("binary") => draft.format = DataFormat::Binary,
        Some(_) => return Err(Error::invalid("format", "must be json or binary").into()),
    }
    over.core.check_product(&over.scope, &draft).await?;
    if old.is_some() && !replace {
        let detail = "a product has these keys already; import with replace=true to update it";
        return Err(Error::new(Cause::ProductExists, detail).into());
    }
    let mut outcome = outcome(old.as_deref(), &draft);
    outcome["dryRun"] = dry_run.into();
    outcome["notes"] = notes.into();
    if !dry_run {
        let made = match &old {
            None => over.core.create_product(&over.scope, draft).await?,
            Some(old) => over.core.replace_product(&over.scope, old.id, draft).await?,
        };
        outcome["productId"] = json!(made.id);
    }
    Ok(Json(outcome))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Model,
    Package,
}

fn form(headers: &HeaderMap) -> std::result::Result<Form, Refusal> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Model),
        "application/zip" | "application/x-zip-compressed" => Ok(Form::Package),
        _ => Err(Refusal::http(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "MediaTypeUnsupported",
            "send application/json for a model or application/zip for a profile package",
        )),
    }
}

/// What an import does: `created`, `replaced` or `unchanged`, and which parts differ.
fn outcome(old: Option<&Product>, draft: &ProductDraft) -> Value {
    let ids = |services: &[landfall_model::Service]| -> BTreeSet<String> {
        services.iter().map(|service| service.service_id.clone()).collect()
    };
    let new = ids(&draft.services);
    let Some(old) = old else {
        return json!({ "action": "created", "productId": null, "fields": [], "servicesAdded": new, "servicesRemoved": [], "servicesChanged": [] });
    };
    let before = ids(&old.services);
    let changed: Vec<&str> = draft
        .services
        .iter()
        .filter(|service| old.service(&service.service_id).is_some_and(|kept| kept != *service))
        .map(|service| service.service_id.as_str())
        .collect();
    let mut fields = vec![];
    for (name, differs) in [
        ("name", old.name != draft.name),
        ("format", old.format != draft.format),
        ("autoRegister", old.auto_register != draft.auto_register),
        ("claims", draft.claims.is_some_and(|claims| claims != old.claims)),
        ("lwm2m", old.lwm2m != draft.lwm2m),
    ] {
        if differs {
            fields.push(name);
        }
    }
    let same = fields.is_empty() && old.services == draft.services;
    json!({
        "action": if same { "unchanged" } else { "replaced" },
        "productId": old.id,
        "fields": fields,
        "servicesAdded": new.difference(&before).collect::<Vec<_>>(),
        "servicesRemoved": before.difference(&new).collect::<Vec<_>>(),
        "servicesChanged": changed,
    })
}

fn draft_of(product: &Product) -> ProductDraft {
    ProductDraft {
        key: product.key.clone(),
        name: product.name.clone(),
        format: product.format,
        services: product.services.clone(),
        lwm2m: product.lwm2m.clone(),
        auto_register: product.auto_register,
        claims: None,
    }
}

/// The product in a path.
pub(super) async fn one(over: &Over, text: &str) -> std::result::Result<Arc<Product>, Refusal> {
    let id = id(text, Cause::ProductNotFound)?;
    let found: Result<_> = over.core.product(&over.scope, id).await;
    Ok(found?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, ProductId, ProductKey, Service, Time};

    fn product(ids: &[(&str, &str)]) -> Product {
        let service =
            |(id, text): &(&str, &str)| Service { service_id: (*id).into(), description: (*text).into(), ..Service::default() };
        Product {
            id: ProductId::from_random([1; 16]),
            account: AccountId::from_random([2; 16]),
            version: 1,
            key: ProductKey::default(),
            name: "n".into(),
            format: DataFormat::Json,
            services: ids.iter().map(service).collect(),
            lwm2m: Lwm2mModel::default(),
            codecs: vec![],
            secret: None,
            auto_register: None,
            claims: true,
            created_at: Time(0),
            modified_at: Time(0),
        }
    }

    #[test]
    fn an_import_tells_what_it_changes() {
        let old = product(&[("a", ""), ("b", ""), ("c", "")]);
        let mut draft = draft_of(&product(&[("a", ""), ("b", "new"), ("d", "")]));
        draft.format = DataFormat::Binary;
        draft.lwm2m.plain_coap = true;
        let told = outcome(Some(&old), &draft);
        assert_eq!(told["action"], "replaced");
        assert_eq!(
            (&told["servicesAdded"], &told["servicesRemoved"], &told["servicesChanged"], &told["fields"]),
            (&json!(["d"]), &json!(["c"]), &json!(["b"]), &json!(["format", "lwm2m"]))
        );
        assert_eq!(outcome(Some(&old), &draft_of(&old))["action"], "unchanged");
        assert_eq!(outcome(None, &draft)["servicesAdded"], json!(["a", "b", "d"]));
    }

    #[test]
    fn the_media_type_chooses_the_reader() {
        let cases = [
            ("application/json; charset=utf-8", Ok(Form::Model)),
            ("Application/ZIP", Ok(Form::Package)),
            ("text/plain", Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(form(&headers).map_err(|refusal| refusal.status), expected, "{value}");
        }
        assert!(form(&HeaderMap::new()).is_err());
    }
}
