//! `GET /openapi.json`, made from the table of operations.

use slipstream_protocol::ErrorCode;
use utoipa::openapi::{
    Components, Content, Info, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
    content::ContentBuilder,
    path::{HttpMethod, Operation as ApiOperation, OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::{ArrayBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat, Type},
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};

use super::operations::{Access, Field, OPERATIONS, Operation};

const BEARER: &str = "bearer";

/// The OpenAPI 3.1 document.
pub(super) fn document() -> OpenApi {
    let mut paths = Paths::new();
    for operation in OPERATIONS {
        paths.add_path_operation(operation.path, vec![method(operation.method)], describe(operation));
    }
    let mut info = Info::new("Slipstream", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Real-time telemetry: samples in, live channels and time series out. Every JSON answer is in one envelope. \
         The WebSocket at /ws is described in /asyncapi.json."
            .to_owned(),
    );
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components())).build()
}

fn method(name: &str) -> HttpMethod {
    match name {
        "post" => HttpMethod::Post,
        "put" => HttpMethod::Put,
        "delete" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn describe(operation: &Operation) -> ApiOperation {
    let right = match operation.access {
        Access::Open | Access::Token => None,
        Access::Manager => Some("For the roles admin and engineer."),
        Access::Admin => Some("For the role admin."),
    };
    let mut builder = OperationBuilder::new()
        .tag(operation.tag)
        .summary(Some(operation.summary))
        .description(right)
        .response(operation.status, answer(operation))
        .response("default", Ref::from_response_name("Failure"));
    for part in operation.path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}')) {
        let parameter = ParameterBuilder::new().name(part).parameter_in(ParameterIn::Path).required(Required::True);
        builder = builder.parameter(parameter.schema(Some(schema("string", ""))));
    }
    for (field, kind, meaning) in operation.query {
        let (name, required) = split(field);
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).description(Some(*meaning));
        builder =
            builder.parameter(parameter.required(if required { Required::True } else { Required::False }).schema(Some(schema(kind, ""))));
    }
    if !operation.body.is_empty() {
        let content = ContentBuilder::new().schema(Some(object(operation.body))).build();
        builder = builder
            .request_body(Some(RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build()));
    }
    if operation.access != Access::Open {
        builder = builder.security(SecurityRequirement::new(BEARER, Vec::<String>::new()));
    }
    builder.build()
}

fn answer(operation: &Operation) -> Response {
    let content = match (operation.content, operation.path) {
        ("application/json", "/openapi.json" | "/asyncapi.json") => ContentBuilder::new().schema(Some(schema("object", ""))).build(),
        ("application/json", _) => Content::new(Some(Ref::from_schema_name("Success"))),
        _ => ContentBuilder::new().schema(Some(schema("string", ""))).build(),
    };
    ResponseBuilder::new().description(operation.summary).content(operation.content, content).build()
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

fn schema(kind: &str, meaning: &str) -> RefOr<Schema> {
    let described = ObjectBuilder::new().description((!meaning.is_empty()).then_some(meaning));
    match kind {
        "id" => described.schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]{1,128}$")).into(),
        "time" => described.schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into(),
        "integer" => described.schema_type(Type::Integer).into(),
        "number" => described.schema_type(Type::Number).into(),
        "boolean" => described.schema_type(Type::Boolean).into(),
        "object" => described.schema_type(Type::Object).into(),
        "array" => ArrayBuilder::new().items(ObjectBuilder::new()).description((!meaning.is_empty()).then_some(meaning)).into(),
        _ => described.schema_type(Type::String).into(),
    }
}

fn components() -> Components {
    let success = object(&[
        ("success", "boolean", "true"),
        ("data", "object", "the answer"),
        ("message", "string", "the answer in words"),
        ("timestamp", "time", "when it was given"),
        ("pagination?", "object", "page, per_page, total and pages, on lists"),
    ]);
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(ErrorCode::ALL.map(ErrorCode::as_str)));
    let error = ObjectBuilder::new()
        .property("code", code)
        .property("message", schema("string", "what was wrong and what to do"))
        .property("details", schema("array", "one entry per broken field"))
        .required("code")
        .required("message");
    let failure = ObjectBuilder::new()
        .property("success", schema("boolean", "false"))
        .property("error", error)
        .property("timestamp", schema("time", "when it was said"))
        .required("success")
        .required("error")
        .build();
    let refusal = ResponseBuilder::new()
        .description("What could not be done, and why")
        .content("application/json", Content::new(Some(Ref::from_schema_name("Failure"))))
        .build();
    let mut components = Components::new();
    components.schemas.insert("Success".to_owned(), success.into());
    components.schemas.insert("Failure".to_owned(), failure.into());
    components.responses.insert("Failure".to_owned(), refusal.into());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    components
}
