//! What a row of the table of operations says. Each resource's file has its own rows: route, handler, document, right and the row of
//! the book come from them.

use http::Method;

use slipstream_protocol::token::{Claims, Role};

use super::{reply::ApiError, routing::Handler};

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone.
    Open,
    /// Anyone with a token.
    Token,
    /// Roles admin and engineer, whose token is of all vehicles.
    Manager,
    /// Roles admin and engineer; which agents, the token's channels say.
    Operator,
    /// Role admin.
    Admin,
}

impl Access {
    /// Who that is, as documents say it.
    pub(super) const fn holders(self) -> &'static str {
        match self {
            Self::Open => "anyone",
            Self::Token => "token",
            Self::Manager | Self::Operator => "admin, engineer",
            Self::Admin => "admin",
        }
    }

    /// Refuses a caller without this right.
    pub(super) fn check(self, claims: &Claims) -> Result<(), ApiError> {
        let (has, what) = match self {
            Self::Open | Self::Token => (true, ""),
            Self::Manager => (claims.may_manage(), "do this: role admin or engineer is needed, of all vehicles"),
            Self::Operator => (claims.may_drive(), "drive agents: role admin or engineer is needed"),
            Self::Admin => (claims.role == Role::Admin, "do this: role admin is needed"),
        };
        if has { Ok(()) } else { Err(ApiError::forbidden(what)) }
    }
}

/// A field of a body or a parameter of a query: name (`?`: optional), type, meaning. The types are those that
/// [`openapi`](super::openapi) reads: `id`, `name` (of a vehicle, driver, session or fleet, as people write it), `time`, `moment`, `boolean`, `object`, `array`, `ids`, `string`, `text 200` (1 to
/// 200 characters), `integer 1..100`, `number 0..1`, `one of a|b`.
pub(super) type Field = (&'static str, &'static str, &'static str);

/// One operation.
pub(super) struct Operation {
    pub(super) method: Method,
    /// The path's template; `{name}` stands for one segment.
    pub(super) path: &'static str,
    /// Answers it.
    pub(super) handler: Handler,
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
    /// Whether it needs no token where `RL_OPEN` is set.
    pub(super) rl_open: bool,
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

pub(super) const NUMBER: Field = ("page?", "integer 1..4294967295", "page number, from 1; 1 where absent");
pub(super) const SIZE: Field = ("per_page?", "integer 1..100", "entries a page; 20 where absent");
pub(super) const PAGE: &[Field] = &[NUMBER, SIZE];
pub(super) const ROLE: &str = "one of admin|engineer|driver|viewer|relay";

impl Operation {
    const fn new(
        method: Method,
        status: &'static str,
        path: &'static str,
        tag: &'static str,
        access: Access,
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            method,
            path,
            handler,
            tag,
            summary,
            access,
            body: &[],
            query: &[],
            status,
            content: JSON,
            data: Data::Object,
            may_be_bare: false,
            rl_open: false,
        }
    }

    pub(super) const fn get(
        path: &'static str,
        tag: &'static str,
        access: Access,
        summary: &'static str,
        query: &'static [Field],
        handler: Handler,
    ) -> Self {
        let mut operation = Self::new(Method::GET, "200", path, tag, access, summary, handler);
        operation.query = query;
        operation
    }

    pub(super) const fn post(
        path: &'static str,
        tag: &'static str,
        access: Access,
        summary: &'static str,
        body: &'static [Field],
        handler: Handler,
    ) -> Self {
        let mut operation = Self::new(Method::POST, "201", path, tag, access, summary, handler);
        operation.body = body;
        operation
    }

    pub(super) const fn put(
        path: &'static str,
        tag: &'static str,
        access: Access,
        summary: &'static str,
        body: &'static [Field],
        handler: Handler,
    ) -> Self {
        let mut operation = Self::new(Method::PUT, "200", path, tag, access, summary, handler);
        operation.body = body;
        operation
    }

    pub(super) const fn delete(path: &'static str, tag: &'static str, access: Access, summary: &'static str, handler: Handler) -> Self {
        Self::new(Method::DELETE, "200", path, tag, access, summary, handler)
    }

    /// Needs no token where `RL_OPEN` is set.
    pub(super) const fn rl_open(mut self) -> Self {
        self.rl_open = true;
        self
    }

    pub(super) const fn list(mut self) -> Self {
        self.data = Data::List;
        self
    }

    pub(super) const fn either(mut self) -> Self {
        self.data = Data::Either;
        self
    }

    /// Whose body may be left out.
    pub(super) const fn bare(mut self) -> Self {
        self.may_be_bare = true;
        self
    }

    /// Answers 200 where its method answers 201.
    pub(super) const fn answering_200(mut self) -> Self {
        self.status = "200";
        self
    }

    pub(super) const fn content(mut self, content: &'static str) -> Self {
        self.content = content;
        self
    }
}
