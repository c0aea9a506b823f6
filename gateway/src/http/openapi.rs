//! `GET /openapi.json`, made from the table of operations.

use slipstream_protocol::ErrorCode;
use utoipa::openapi::{
    Components, Content, Info, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, Response, ResponseBuilder, Schema, ServerBuilder,
    content::ContentBuilder,
    path::{HttpMethod, Operation as ApiOperation, OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::{AnyOfBuilder, ArrayBuilder, Object, ObjectBuilder},
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use super::{
    field_schema::{described, schema},
    operation::{Access, Data, Field, Operation},
    operations,
};

const BEARER: &str = "bearer";

/// The OpenAPI 3.1 document.
pub(super) fn document() -> OpenApi {
    let mut paths = Paths::new();
    for operation in operations() {
        paths.add_path_operation(operation.path, vec![method(&operation.method)], describe(operation));
    }
    let mut info = Info::new("Slipstream", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Real-time telemetry: samples in, live channels and time series out. Every JSON answer is in one envelope. \
         The WebSocket at /ws is described in /asyncapi.json."
            .to_owned(),
    );
    // Relative to the document, as a proxy may put the server below a path of its own.
    let server = ServerBuilder::new().url(".").description(Some("this server")).build();
    OpenApiBuilder::new().info(info).servers(Some([server])).paths(paths).components(Some(components())).build()
}

fn method(method: &http::Method) -> HttpMethod {
    match *method {
        http::Method::POST => HttpMethod::Post,
        http::Method::PUT => HttpMethod::Put,
        http::Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn describe(operation: &Operation) -> ApiOperation {
    let right = match operation.access {
        Access::Open | Access::Token => None,
        Access::Manager | Access::Operator => Some("For the roles admin and engineer."),
        Access::Admin => Some("For the role admin."),
    };
    let refusal = || Ref::from_response_name("Failure");
    let mut builder = OperationBuilder::new()
        .tag(operation.tag)
        .operation_id(Some(operation_id(operation)))
        .summary(Some(operation.summary))
        .description(right)
        .response(operation.status, answer(operation))
        .response("4XX", refusal())
        .response("default", refusal());
    if operation.path == "/api/pipelines/{name}" && operation.method == http::Method::PUT {
        builder = builder.response("201", answer(operation));
    }
    for part in parameters(operation.path) {
        let parameter = ParameterBuilder::new().name(part).parameter_in(ParameterIn::Path).required(Required::True);
        let kind = match operation.path.split('/').nth(2) {
            Some("telemetry" | "sessions" | "drivers") => "name",
            _ if matches!(part, "id" | "name") => "id",
            _ => "string",
        };
        builder = builder.parameter(parameter.schema(Some(schema(kind, ""))));
    }
    for (field, kind, meaning) in operation.query {
        let (name, required) = split(field);
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).description(Some(*meaning));
        builder =
            builder.parameter(parameter.required(if required { Required::True } else { Required::False }).schema(Some(schema(kind, ""))));
    }
    if let Some(body) = body(operation) {
        let content = ContentBuilder::new().schema(Some(body)).build();
        let required = if operation.may_be_bare { Required::False } else { Required::True };
        builder =
            builder.request_body(Some(RequestBodyBuilder::new().content("application/json", content).required(Some(required)).build()));
    }
    // An open operation says so: without a word it would be one whose rights nobody has written down.
    let security = match operation.access {
        Access::Open => Vec::new(),
        _ => vec![SecurityRequirement::new(BEARER, Vec::<String>::new())],
    };
    builder.securities(Some(security)).build()
}

/// `getTelemetryByIdLatest` for `GET /api/telemetry/{id}/latest`: how generated clients call it.
fn operation_id(operation: &Operation) -> String {
    let parts = operation.path.split(['/', '-', '.']).filter(|part| !part.is_empty() && *part != "api");
    let mut id = operation.method.as_str().to_lowercase();
    if operation.path == "/api/health" {
        id.push_str("Api");
    }
    for part in parts {
        let name = part.trim_matches(['{', '}']);
        if name.len() < part.len() {
            id.push_str("By");
        }
        let mut words = name.chars();
        id.extend(words.next().map(|first| first.to_ascii_uppercase()));
        id.push_str(words.as_str());
    }
    id
}

fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn body(operation: &Operation) -> Option<RefOr<Schema>> {
    if operation.path == "/api/telemetry" {
        let sample = || Ref::from_schema_name("Sample");
        let batch = ObjectBuilder::new().property("batch", ArrayBuilder::new().items(sample())).required("batch");
        return Some(AnyOfBuilder::new().item(sample()).item(batch).item(ArrayBuilder::new().items(sample())).into());
    }
    (!operation.body.is_empty()).then(|| object(operation.body).into())
}

fn answer(operation: &Operation) -> Response {
    let envelope = match operation.data {
        Data::Object => "Success",
        Data::List => "SuccessList",
        Data::Either => "SuccessAny",
    };
    let content = match (operation.content, operation.path) {
        ("application/json", "/openapi.json" | "/asyncapi.json") => ContentBuilder::new().schema(Some(schema("object", ""))).build(),
        ("application/json", _) => Content::new(Some(Ref::from_schema_name(envelope))),
        _ => ContentBuilder::new().schema(Some(schema("string", ""))).build(),
    };
    let mut response = ResponseBuilder::new().description(operation.summary).content(operation.content, content.clone());
    if operation.path == "/metrics" {
        response = response.content("text/plain", content);
    }
    response.build()
}

fn split(field: &'static str) -> (&'static str, bool) {
    match field.strip_suffix('?') {
        Some(name) => (name, false),
        None => (field, true),
    }
}

fn object(fields: &'static [Field]) -> Object {
    fields
        .iter()
        .fold(ObjectBuilder::new(), |object, (field, kind, meaning)| {
            let (name, required) = split(field);
            let object = object.property(name, schema(kind, meaning));
            if required { object.required(name) } else { object }
        })
        .build()
}

/// The envelope of a good answer around `data`.
fn success(data: impl Into<RefOr<Schema>>) -> RefOr<Schema> {
    let pagination = object(&[
        ("page", "integer 1..", "page number"),
        ("per_page", "integer 0..", "entries a page"),
        ("total", "integer 0..", "entries there are"),
        ("pages", "integer 0..", "pages there are"),
    ]);
    ObjectBuilder::new()
        .property("success", schema("boolean", "true"))
        .required("success")
        .property("data", data)
        .required("data")
        .property("message", schema("string", "the answer in words"))
        .required("message")
        .property("timestamp", schema("time", "when it was given"))
        .required("timestamp")
        .property("pagination", pagination)
        .into()
}

fn components() -> Components {
    let code =
        ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String).enum_values(Some(ErrorCode::ALL.map(ErrorCode::as_str)));
    let error = ObjectBuilder::new()
        .property("code", code)
        .required("code")
        .property("message", schema("string", "what was wrong and what to do"))
        .required("message")
        .property("details", ArrayBuilder::new().items(schema("string", "")).description(Some("one entry per broken field")))
        .required("details");
    let failure = ObjectBuilder::new()
        .property("success", schema("boolean", "false"))
        .required("success")
        .property("error", error)
        .required("error")
        .property("timestamp", schema("time", "when it was given"));
    let refusal = ResponseBuilder::new()
        .description("What could not be done, and why")
        .content("application/json", Content::new(Some(Ref::from_schema_name("Failure"))))
        .build();
    let telemetry = operations().find(|operation| operation.path == "/api/telemetry").map_or(&[][..], |operation| operation.body);
    let sample = telemetry
        .iter()
        .filter(|(name, ..)| *name != "batch?")
        .fold(ObjectBuilder::new(), |sample, (field, kind, meaning)| sample.property(split(field).0, schema(kind, meaning)));
    let sample = sample.property("vehicleId", schema("name", "another name of driverId")).required("data");
    let mut components = Components::new();
    let mut add = |name: &str, schema: RefOr<Schema>| {
        components.schemas.insert(name.to_owned(), schema);
    };
    add("Sample", sample.into());
    add("Success", success(schema("object", "the answer")));
    add("SuccessList", success(ArrayBuilder::new().items(ObjectBuilder::new()).description(Some("the entries"))));
    add("SuccessAny", success(described("an object or a list, by what was asked for")));
    add("Failure", failure.into());
    components.responses.insert("Failure".to_owned(), refusal.into());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    components
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::*;

    fn described() -> Vec<(String, Value)> {
        let document = serde_json::to_value(document()).unwrap();
        let paths = document["paths"].as_object().unwrap().clone();
        let each = |(path, item): (String, Value)| {
            let item = item.as_object().unwrap().clone();
            item.into_iter().map(move |(method, operation)| (format!("{method} {path}"), operation)).collect::<Vec<_>>()
        };
        paths.into_iter().flat_map(each).collect()
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_its_rights_and_its_refusals() {
        let all = described();
        assert_eq!(all.len(), operations().count());
        let names: HashSet<&str> = all.iter().map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.contains("getTelemetryByIdLatest"), "{names:?}");
        for (which, operation) in &all {
            assert!(operation["security"].is_array(), "{which}");
            assert!(operation["responses"]["4XX"].is_object(), "{which}");
        }
        let open = all.iter().filter(|(_, operation)| operation["security"] == json!([])).count();
        assert_eq!(open, operations().filter(|operation| operation.access == Access::Open).count());
    }

    #[test]
    fn the_types_of_answers_are_those_that_are_given() {
        let document = serde_json::to_value(document()).unwrap();
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Failure"]["properties"]["error"]["properties"]["details"]["items"]["type"], "string");
        assert_eq!(schemas["SuccessList"]["properties"]["data"]["type"], "array");
        assert!(schemas["SuccessAny"]["properties"]["data"].get("type").is_none(), "{}", schemas["SuccessAny"]["properties"]["data"]);
        assert_eq!(document["servers"][0]["url"], ".");
        let all = described();
        let of = |which: &str| &all.iter().find(|(name, _)| name == which).unwrap().1;
        let page = &of("get /api/drivers")["parameters"][0]["schema"];
        assert_eq!((&page["type"], &page["minimum"]), (&json!("integer"), &json!(1)), "{page}");
        assert!(of("get /api/tracks/{id}")["parameters"][0]["schema"]["pattern"].is_string());
        let algorithm = &of("post /api/load-model")["requestBody"]["content"]["application/json"]["schema"]["properties"]["algorithm"];
        assert_eq!(algorithm["enum"], json!(["DQN", "PPO", "A2C", "REINFORCE"]));
    }
}
