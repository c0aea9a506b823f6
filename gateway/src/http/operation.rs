//! What a row of the table of operations says.

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone.
    Open,
    /// Anyone with a token.
    Token,
    /// Roles admin and engineer.
    Manager,
    /// Role admin.
    Admin,
}

/// A field of a body or a parameter of a query: name (`?`: optional), type, meaning. The types are those that
/// [`openapi`](super::openapi) reads: `id`, `name` (of a vehicle, driver, session or fleet, as people write it), `time`, `moment`, `boolean`, `object`, `array`, `ids`, `string`, `text 200` (1 to
/// 200 characters), `integer 1..100`, `number 0..1`, `one of a|b`.
pub(super) type Field = (&'static str, &'static str, &'static str);

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) access: Access,
    /// Fields of the JSON body; empty where there is none.
    pub(super) body: &'static [Field],
    pub(super) query: &'static [Field],
    /// Status of the good answer.
    pub(super) status: &'static str,
    /// Content type of the good answer; JSON ones come in the envelope.
    pub(super) content: &'static str,
    /// What the envelope of the good answer carries.
    pub(super) data: Data,
    /// Whether the body may be left out.
    pub(super) may_be_bare: bool,
}

/// What an envelope carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Object,
    /// An array of objects.
    List,
    /// An object or an array, by what was asked for.
    Either,
}

pub(super) const JSON: &str = "application/json";

pub(super) const fn get(
    path: &'static str,
    tag: &'static str,
    access: Access,
    summary: &'static str,
    query: &'static [Field],
) -> Operation {
    Operation {
        method: "get",
        path,
        tag,
        summary,
        access,
        body: &[],
        query,
        status: "200",
        content: JSON,
        data: Data::Object,
        may_be_bare: false,
    }
}

pub(super) const fn post(
    path: &'static str,
    tag: &'static str,
    access: Access,
    summary: &'static str,
    body: &'static [Field],
) -> Operation {
    Operation {
        method: "post",
        path,
        tag,
        summary,
        access,
        body,
        query: &[],
        status: "201",
        content: JSON,
        data: Data::Object,
        may_be_bare: false,
    }
}

pub(super) const fn list(mut operation: Operation) -> Operation {
    operation.data = Data::List;
    operation
}

pub(super) const fn either(mut operation: Operation) -> Operation {
    operation.data = Data::Either;
    operation
}

/// Whose body may be left out.
pub(super) const fn bare(mut operation: Operation) -> Operation {
    operation.may_be_bare = true;
    operation
}

pub(super) const fn ok(mut operation: Operation) -> Operation {
    operation.status = "200";
    operation
}

pub(super) const fn put(path: &'static str, tag: &'static str, summary: &'static str, body: &'static [Field]) -> Operation {
    Operation {
        method: "put",
        path,
        tag,
        summary,
        access: Access::Manager,
        body,
        query: &[],
        status: "200",
        content: JSON,
        data: Data::Object,
        may_be_bare: false,
    }
}

pub(super) const fn content(content: &'static str, mut operation: Operation) -> Operation {
    operation.content = content;
    operation
}
