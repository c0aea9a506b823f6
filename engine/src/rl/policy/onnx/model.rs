//! The parts of an ONNX model that a feed-forward network has.

use std::collections::BTreeMap;

use super::{
    super::{
        LoadError, bounds,
        tensors::{Tensor, Tensors, volume},
        torch::half,
    },
    external::{Beside, External, Place},
    fold::fold,
    wire::{Field, Fields, bytes, push_varints, text},
};

/// One operation.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) operator: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: BTreeMap<&'a str, Attribute>,
}

/// A setting of an operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute {
    Float(f32),
    Int(i64),
    Ints(Vec<i64>),
    Tensor(Tensor),
    /// Of a kind that none of the operations played here has.
    Other,
}

/// A graph: what goes in, what comes out, and between them operations and weights.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) weights: Tensors,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
}

impl<'a> Graph<'a> {
    /// The graph of a model, what is computed of weights alone being computed.
    pub(super) fn of_model(model: &'a [u8], beside: Beside<'_>) -> Result<Self, LoadError> {
        let mut fields = Fields(model);
        let mut graph = None;
        while let Some((number, field)) = fields.next()? {
            // ModelProto: graph = 7. A function of its own (25) is told where an operation calls it, by its domain.
            if number == 7 {
                graph = Some(bytes(field)?);
            }
        }
        let mut graph = Self::read(graph.ok_or(LoadError::Onnx("it has no graph"))?, &mut External::new(beside))?;
        fold(&mut graph)?;
        Ok(graph)
    }

    fn read(message: &'a [u8], external: &mut External<'_>) -> Result<Self, LoadError> {
        let mut graph = Self::default();
        let mut fields = Fields(message);
        while let Some((number, field)) = fields.next()? {
            // GraphProto: node = 1, initializer = 5, input = 11, output = 12
            match number {
                1 if graph.nodes.len() == bounds::MAX_NODES => {
                    return Err(LoadError::Bound { what: "operations", limit: bounds::MAX_NODES });
                }
                1 => graph.nodes.push(node(bytes(field)?, external)?),
                5 => {
                    let (name, tensor) = tensor(bytes(field)?, external)?;
                    graph.weights.insert(name, tensor.shape, tensor.numbers)?;
                }
                11 => graph.inputs.push(value_name(bytes(field)?)?),
                12 => graph.outputs.push(value_name(bytes(field)?)?),
                15 => return Err(LoadError::Unsupported("sparse weights".to_owned())),
                _ => {}
            }
        }
        Ok(graph)
    }
}

fn node<'a>(message: &'a [u8], external: &mut External<'_>) -> Result<Node<'a>, LoadError> {
    let mut node = Node::default();
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        // NodeProto: input = 1, output = 2, op_type = 4, attribute = 5, domain = 7
        match number {
            1 => node.inputs.push(text(field)?),
            2 => node.outputs.push(text(field)?),
            4 => node.operator = text(field)?,
            5 => {
                let (name, attribute) = attribute(bytes(field)?, external)?;
                node.attributes.insert(name, attribute);
            }
            7 if !matches!(text(field)?, "" | "ai.onnx") => return Err(LoadError::Unsupported(text(field)?.to_owned())),
            _ => {}
        }
    }
    Ok(node)
}

fn attribute<'a>(message: &'a [u8], external: &mut External<'_>) -> Result<(&'a str, Attribute), LoadError> {
    let (mut name, mut value, mut ints) = ("", Attribute::Other, Vec::new());
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        // AttributeProto: name = 1, f = 2, i = 3, t = 5, ints = 8
        match (number, field) {
            (1, field) => name = text(field)?,
            (2, Field::Fixed32(bytes)) => value = Attribute::Float(f32::from_le_bytes(bytes)),
            (3, Field::Varint(n)) => value = Attribute::Int(n as i64),
            (5, Field::Bytes(message)) => value = Attribute::Tensor(tensor(message, external)?.1),
            // Packed, or one by one.
            (8, field) => push_varints(field, &mut ints)?,
            _ => {}
        }
    }
    Ok((name, if ints.is_empty() { value } else { Attribute::Ints(ints) }))
}

fn value_name(message: &[u8]) -> Result<&str, LoadError> {
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        if number == 1 {
            return text(field);
        }
    }
    Err(LoadError::Onnx("an input or output has no name"))
}

/// Number formats: `TensorProto.DataType`.
const FLOAT: u64 = 1;
const DOUBLE: u64 = 11;
const FLOAT16: u64 = 10;
const BFLOAT16: u64 = 16;
/// Whole numbers: shapes and axes. They are no weights, but models carry them.
const INT32: u64 = 6;
const INT64: u64 = 7;

fn tensor<'a>(message: &'a [u8], external: &mut External<'_>) -> Result<(&'a str, Tensor), LoadError> {
    let mut place: Option<Place> = None;
    let (mut name, mut dims, mut kind, mut raw) = ("", Vec::new(), 0, None);
    let (mut singles, mut doubles, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let mut fields = Fields(message);
    while let Some((number, field)) = fields.next()? {
        // TensorProto: dims = 1, data_type = 2, float_data = 4, int32_data = 5, int64_data = 7, name = 8,
        // raw_data = 9, double_data = 10, external_data = 13, data_location = 14
        match (number, field) {
            (1, field) => push_varints(field, &mut dims)?,
            (2, Field::Varint(n)) => kind = n,
            (4, Field::Fixed32(bytes)) => singles.push(f32::from_le_bytes(bytes)),
            (4, Field::Bytes(bytes)) => singles.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            (5 | 7, field) => push_varints(field, &mut whole)?,
            (8, field) => name = text(field)?,
            (9, field) => raw = Some(bytes(field)?),
            (10, Field::Fixed64(bytes)) => doubles.push(f64::from_le_bytes(bytes)),
            (10, Field::Bytes(bytes)) => doubles.extend(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b))),
            (13, field) => place.get_or_insert_default().take(bytes(field)?)?,
            _ => {}
        }
    }
    let held;
    if let Some(place) = &place {
        let (file, range) = external.at(place)?;
        held = file;
        raw = Some(&held[range]);
    }
    let numbers: Vec<f32> = match (kind, raw) {
        (FLOAT16, Some(raw)) => raw.as_chunks().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect(),
        (FLOAT16, None) => whole.into_iter().map(|bits| half(bits as u16)).collect(),
        (BFLOAT16, Some(raw)) => raw.as_chunks().0.iter().map(|b| brain(u16::from_le_bytes(*b))).collect(),
        (BFLOAT16, None) => whole.into_iter().map(|bits| brain(bits as u16)).collect(),
        (FLOAT, Some(raw)) => raw.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        (FLOAT, None) => singles,
        (DOUBLE, Some(raw)) => raw.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        (DOUBLE, None) => doubles.into_iter().map(|n| n as f32).collect(),
        (INT64, Some(raw)) => raw.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect(),
        (INT32, Some(raw)) => raw.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
        (INT32 | INT64, None) => whole.into_iter().map(|n| n as f32).collect(),
        (kind, _) => return Err(LoadError::Unsupported(format!("numbers of kind {kind}"))),
    };
    let shape: Option<Vec<usize>> = dims.into_iter().map(|n| usize::try_from(n).ok()).collect();
    let shape = shape.ok_or(LoadError::Onnx("a dimension is negative"))?;
    if volume(&shape) != Some(numbers.len()) {
        let expected = format!("it has {} numbers", numbers.len());
        return Err(LoadError::WrongShape { name: name.to_owned(), found: shape, expected });
    }
    Ok((name, Tensor { shape, numbers }))
}

/// Half of a single-precision number: its upper bits.
fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
