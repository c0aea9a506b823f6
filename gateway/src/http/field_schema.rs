//! The types of fields and parameters as the table of operations writes them, as JSON Schema.

use utoipa::openapi::{
    RefOr, Schema,
    schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type},
};

/// The schema of `kind`, with what it means where that is said.
pub(super) fn schema(kind: &str, meaning: &str) -> RefOr<Schema> {
    let said = ObjectBuilder::new().description((!meaning.is_empty()).then_some(meaning));
    let (name, bounds) = kind.split_once(' ').unwrap_or((kind, ""));
    let (least, most) = range(bounds);
    match name {
        "id" => said.schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]{1,128}$")).into(),
        "name" => said.schema_type(Type::String).min_length(Some(1)).into(),
        "time" => said.schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into(),
        "moment" => said.schema_type(SchemaType::from_iter([Type::String, Type::Number])).into(),
        "integer" => said
            .schema_type(Type::Integer)
            .minimum(least.and_then(|n| n.parse::<isize>().ok()))
            .maximum(most.and_then(|n| n.parse::<isize>().ok()))
            .into(),
        "number" => said
            .schema_type(Type::Number)
            .minimum(least.and_then(|n| n.parse::<f64>().ok()))
            .maximum(most.and_then(|n| n.parse::<f64>().ok()))
            .into(),
        "boolean" => said.schema_type(Type::Boolean).into(),
        "object" => said.schema_type(Type::Object).into(),
        "array" => ArrayBuilder::new().items(ObjectBuilder::new()).description((!meaning.is_empty()).then_some(meaning)).into(),
        "ids" => {
            let text = ObjectBuilder::new().schema_type(Type::String);
            ArrayBuilder::new().items(text).description((!meaning.is_empty()).then_some(meaning)).into()
        }
        "one" => said.schema_type(Type::String).enum_values(bounds.strip_prefix("of ").map(|words| words.split('|'))).into(),
        "text" => said.schema_type(Type::String).min_length(Some(1)).max_length(bounds.parse().ok()).into(),
        _ => said.schema_type(Type::String).into(),
    }
}

/// A schema that takes anything.
pub(super) fn described(meaning: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(meaning)).into()
}

fn range(bounds: &str) -> (Option<&str>, Option<&str>) {
    let (least, most) = bounds.split_once("..").unwrap_or(("", ""));
    (Some(least).filter(|text| !text.is_empty()), Some(most).filter(|text| !text.is_empty()))
}
