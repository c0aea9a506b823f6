//! From text to tree.

use cel::{
    common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators},
    parser::Parser,
};

use super::{Arithmetic, Compare, Expression, Function, MAX_DEPTH, MAX_LENGTH, Node, RowField, TextTest, evaluate::MAX_ARGUMENTS};
use crate::pipeline::{SignalId, Symbols, fields::meant};

/// Functions of numbers: name, fewest and most arguments, what they do.
const FUNCTIONS: &[(&str, usize, usize, Function)] = &[
    ("abs", 1, 1, |x| x[0].abs()),
    ("sqrt", 1, 1, |x| x[0].sqrt()),
    ("pow", 2, 2, |x| x[0].powf(x[1])),
    ("exp", 1, 1, |x| x[0].exp()),
    ("ln", 1, 1, |x| x[0].ln()),
    ("log10", 1, 1, |x| x[0].log10()),
    ("sin", 1, 1, |x| x[0].sin()),
    ("cos", 1, 1, |x| x[0].cos()),
    ("tan", 1, 1, |x| x[0].tan()),
    ("atan2", 2, 2, |x| x[0].atan2(x[1])),
    ("hypot", 2, MAX_ARGUMENTS, |x| x.iter().fold(0.0, |h: f64, n| h.hypot(*n))),
    ("floor", 1, 1, |x| x[0].floor()),
    ("ceil", 1, 1, |x| x[0].ceil()),
    ("round", 1, 1, |x| x[0].round()),
    ("min", 1, MAX_ARGUMENTS, |x| x.iter().copied().fold(f64::INFINITY, f64::min)),
    ("max", 1, MAX_ARGUMENTS, |x| x.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
    ("clamp", 3, 3, |x| x[0].max(x[1]).min(x[2])),
    ("sign", 1, 1, |x| if x[0] == 0.0 { 0.0 } else { x[0].signum() }),
];

/// Names that are not functions of numbers.
const OTHERS: [&str; 4] = ["coalesce", "present", "size", "signal"];

struct Compiler<'a> {
    names: &'a mut Symbols<SignalId>,
    used: Vec<SignalId>,
}

pub(super) fn compile(text: &str, names: &mut Symbols<SignalId>) -> Result<Expression, String> {
    if text.chars().count() > MAX_LENGTH {
        return Err(format!("is longer than {MAX_LENGTH} characters"));
    }
    // The parser's own depth bound counts grammar rules, and does not see what a flat chain of operators becomes.
    if nesting(text) > usize::from(MAX_DEPTH) {
        return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
    }
    let parsed = Parser::new().parse(text).map_err(|errors| match errors.errors.first() {
        Some(error) => format!("is no expression: character {}: {}", error.pos.1.max(0) + 1, error.msg),
        None => "is no expression".to_owned(),
    })?;
    let mut compiler = Compiler { names, used: Vec::new() };
    let root = compiler.node(&parsed, 0)?;
    Ok(Expression { root, signals: compiler.used })
}

/// How deep brackets go.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' | b'?' | b'!' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

impl Compiler<'_> {
    fn node(&mut self, expr: &IdedExpr, depth: u16) -> Result<Node, String> {
        // A chain of a thousand `+` is as deep as it is long.
        if depth > MAX_DEPTH * 4 {
            return Err(format!("has more than {} operators in a chain; use brackets or another step", MAX_DEPTH * 4));
        }
        match &expr.expr {
            Expr::Literal(literal) => literal_node(literal),
            Expr::Ident(name) => Ok(self.signal(name)),
            Expr::Select(select) if select.test => {
                let Some(name) = dotted(expr) else { return Err("has() takes a signal's name".to_owned()) };
                Ok(Node::Present(Box::new(self.signal(&name))))
            }
            Expr::Select(_) => match dotted(expr) {
                Some(name) => row_field(&name).map(|field| field.unwrap_or_else(|| self.signal(&name))),
                None => Err("'.' stands within signals' names only".to_owned()),
            },
            Expr::Call(call) => self.call(call, depth + 1),
            Expr::List(_) => Err("a list stands only behind 'in'".to_owned()),
            Expr::Comprehension(_) => Err("all, exists, map and filter over lists are not there".to_owned()),
            Expr::Map(_) | Expr::Struct(_) => Err("maps are not there".to_owned()),
            Expr::Unspecified => Err("is empty".to_owned()),
        }
    }

    fn signal(&mut self, name: &str) -> Node {
        let id = self.names.intern(name);
        if !self.used.contains(&id) {
            self.used.push(id);
        }
        Node::Signal(id)
    }

    fn call(&mut self, call: &CallExpr, depth: u16) -> Result<Node, String> {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target {
            return self.method(name, target, &call.args, depth);
        }
        if let Some(node) = self.operator(name, &call.args, depth)? {
            return Ok(node);
        }
        if let Some((_, fewest, most, function)) = FUNCTIONS.iter().find(|f| f.0 == name) {
            if !(*fewest..=*most).contains(&call.args.len()) {
                let wanted = if fewest == most { format!("{fewest}") } else { format!("{fewest} to {most}") };
                return Err(format!("{name}() takes {wanted} values, not {}", call.args.len()));
            }
            return Ok(Node::Function(*function, self.nodes(&call.args, depth)?));
        }
        match (name, call.args.as_slice()) {
            ("coalesce", args) if !args.is_empty() => Ok(Node::Coalesce(self.nodes(args, depth)?)),
            ("present", [x]) => Ok(Node::Present(Box::new(self.node(x, depth)?))),
            ("size", [x]) => Ok(Node::Size(Box::new(self.node(x, depth)?))),
            ("signal", [IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }]) => Ok(self.signal(name.inner())),
            ("signal", _) => Err("signal() takes one text, the signal's name".to_owned()),
            (known, _) if OTHERS.contains(&known) => Err(format!("{known}() takes one value")),
            _ => {
                let known: Vec<&str> = FUNCTIONS.iter().map(|f| f.0).chain(OTHERS).collect();
                Err(format!("there is no function '{name}'; there are {}{}", known.join(", "), meant(name, &known)))
            }
        }
    }

    fn nodes(&mut self, expressions: &[IdedExpr], depth: u16) -> Result<Vec<Node>, String> {
        expressions.iter().map(|e| self.node(e, depth)).collect()
    }

    fn pair(&mut self, a: &IdedExpr, b: &IdedExpr, depth: u16) -> Result<Box<(Node, Node)>, String> {
        Ok(Box::new((self.node(a, depth)?, self.node(b, depth)?)))
    }

    fn operator(&mut self, name: &str, args: &[IdedExpr], depth: u16) -> Result<Option<Node>, String> {
        Ok(Some(match (name, args) {
            (operators::CONDITIONAL, [test, yes, no]) => {
                Node::If(Box::new((self.node(test, depth)?, self.node(yes, depth)?, self.node(no, depth)?)))
            }
            (operators::NEGATE, [x]) => match self.node(x, depth)? {
                Node::Number(n) => Node::Number(-n),
                other => Node::Negate(Box::new(other)),
            },
            (operators::LOGICAL_NOT, [x]) => Node::Not(Box::new(self.node(x, depth)?)),
            (operators::LOGICAL_AND, [a, b]) => Node::And(self.pair(a, b, depth)?),
            (operators::LOGICAL_OR, [a, b]) => Node::Or(self.pair(a, b, depth)?),
            (operators::IN, [x, IdedExpr { expr: Expr::List(list), .. }]) => {
                Node::In(Box::new(self.node(x, depth)?), self.nodes(&list.elements, depth)?)
            }
            (operators::IN, _) => return Err("'in' needs a list: x in [1, 2]".to_owned()),
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, _) => {
                return Err(
                    "indexes are not there: elements are signals of their own, as in gForce.0; write signal(\"gForce.0\")".to_owned()
                );
            }
            (_, [a, b]) => {
                if let Some(op) = arithmetic(name) {
                    Node::Arithmetic(op, self.pair(a, b, depth)?)
                } else if let Some(op) = comparison(name) {
                    Node::Compare(op, self.pair(a, b, depth)?)
                } else {
                    return Ok(None);
                }
            }
            _ => return Ok(None),
        }))
    }

    fn method(&mut self, name: &str, target: &IdedExpr, args: &[IdedExpr], depth: u16) -> Result<Node, String> {
        let test = match name {
            "startsWith" => TextTest::StartsWith,
            "endsWith" => TextTest::EndsWith,
            "contains" => TextTest::Contains,
            "size" if args.is_empty() => return Ok(Node::Size(Box::new(self.node(target, depth)?))),
            _ => return Err(format!("there is no '.{name}()'; there are .startsWith(), .endsWith(), .contains() and .size()")),
        };
        match args {
            [part] => Ok(Node::TextTest(test, self.pair(target, part, depth)?)),
            _ => Err(format!(".{name}() takes one text")),
        }
    }
}

/// What `row.x` says about the row itself.
fn row_field(name: &str) -> Result<Option<Node>, String> {
    let Some(field) = name.strip_prefix("row.") else { return Ok(None) };
    let fields = [
        ("key", RowField::Key),
        ("kind", RowField::Kind),
        ("time_s", RowField::Time),
        ("start_s", RowField::Start),
        ("span_s", RowField::Span),
    ];
    match fields.iter().find(|(n, _)| *n == field) {
        Some((_, field)) => Ok(Some(Node::Row(*field))),
        None => Err(format!("'{name}' is not known; row.key, row.kind, row.time_s, row.start_s and row.span_s are")),
    }
}

fn literal_node(literal: &LiteralValue) -> Result<Node, String> {
    Ok(match literal {
        LiteralValue::Boolean(b) => Node::Bool(*b.inner()),
        LiteralValue::Double(n) => Node::Number(*n.inner()),
        LiteralValue::Int(n) => Node::Number(*n.inner() as f64),
        LiteralValue::UInt(n) => Node::Number(*n.inner() as f64),
        LiteralValue::String(s) => Node::Text(s.inner().into()),
        LiteralValue::Null => Node::Null,
        LiteralValue::Bytes(_) => return Err("bytes are not there".to_owned()),
    })
}

fn arithmetic(name: &str) -> Option<Arithmetic> {
    Some(match name {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}

fn comparison(name: &str) -> Option<Compare> {
    Some(match name {
        operators::EQUALS => Compare::Equal,
        operators::NOT_EQUALS => Compare::NotEqual,
        operators::LESS => Compare::Less,
        operators::LESS_EQUALS => Compare::LessOrEqual,
        operators::GREATER => Compare::Greater,
        operators::GREATER_EQUALS => Compare::GreaterOrEqual,
        _ => return None,
    })
}

/// `a.b.c` as a name.
fn dotted(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", dotted(&select.operand)?, select.field)),
        _ => None,
    }
}
