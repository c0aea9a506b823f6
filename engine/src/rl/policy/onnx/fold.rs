//! Operations on weights alone, done once when the model is read: exporters write a transposed weight as a `Transpose` of it.

use super::{
    super::{
        LoadError,
        tensors::{Tensor, volume},
    },
    model::{Attribute, Graph, Node},
};

/// Dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;

/// Puts what operations make of weights alone beside the weights. Operations stand in the order of their computation.
pub(super) fn fold(graph: &mut Graph<'_>) -> Result<(), LoadError> {
    for at in 0..graph.nodes.len() {
        let node = &graph.nodes[at];
        let [output] = node.outputs[..] else { continue };
        let inputs: Option<Vec<&Tensor>> =
            node.inputs.iter().filter(|name| !name.is_empty()).map(|name| graph.weights.get(name).ok()).collect();
        let made = match inputs {
            Some(inputs) if node.operator == "Constant" && inputs.is_empty() => constant(node),
            Some(inputs) if !inputs.is_empty() => apply(node, &inputs)?,
            _ => None,
        };
        if let Some(Tensor { shape, numbers }) = made {
            graph.weights.insert(output, shape, numbers)?;
        }
    }
    Ok(())
}

/// The value of a `Constant`; nothing of one that no weight can be.
fn constant(node: &Node<'_>) -> Option<Tensor> {
    let scalar = |number: f32| Tensor { shape: Vec::new(), numbers: vec![number] };
    match (node.attributes.get("value"), node.attributes.get("value_float"), node.attributes.get("value_int")) {
        (Some(Attribute::Tensor(tensor)), ..) => Some(tensor.clone()),
        (_, Some(Attribute::Float(number)), _) => Some(scalar(*number)),
        (_, _, Some(Attribute::Int(number))) => Some(scalar(*number as f32)),
        _ => match node.attributes.get("value_ints") {
            Some(Attribute::Ints(numbers)) => {
                Some(Tensor { shape: vec![numbers.len()], numbers: numbers.iter().map(|number| *number as f32).collect() })
            }
            _ => None,
        },
    }
}

/// What an operation makes of weights; nothing where it is none that is done here.
fn apply(node: &Node<'_>, inputs: &[&Tensor]) -> Result<Option<Tensor>, LoadError> {
    let data = inputs[0];
    let reshaped = |shape: Vec<usize>| Tensor { shape, numbers: data.numbers.clone() };
    Ok(match node.operator {
        "Identity" | "Dropout" => Some(data.clone()),
        "Cast" => Some(cast(node, data)?),
        "Transpose" => Some(transpose(data, &permutation(node, data.shape.len())?)?),
        "Reshape" => match inputs {
            [_, shape] => Some(reshaped(asked_shape(data, &shape.numbers)?)),
            _ => None,
        },
        "Flatten" => {
            let axis = match node.attributes.get("axis") {
                Some(Attribute::Int(axis)) => place(*axis, data.shape.len() + 1)?,
                _ => 1.min(data.shape.len()),
            };
            let (rows, columns) = data.shape.split_at(axis);
            Some(reshaped(vec![rows.iter().product(), columns.iter().product()]))
        }
        "Squeeze" => {
            let axes = axes(node, inputs.get(1), data.shape.len())?;
            let kept = |(at, len): (usize, &usize)| (*len != 1 || !(axes.is_empty() || axes.contains(&at))).then_some(*len);
            Some(reshaped(data.shape.iter().enumerate().filter_map(kept).collect()))
        }
        "Unsqueeze" => {
            let count = match (node.attributes.get("axes"), inputs.get(1)) {
                (Some(Attribute::Ints(axes)), _) => axes.len(),
                (_, Some(axes)) => axes.numbers.len(),
                _ => 0,
            };
            let rank = data.shape.len() + count;
            let axes = axes(node, inputs.get(1), rank)?;
            let mut lens = data.shape.iter();
            let shape = (0..rank).map(|at| if axes.contains(&at) { 1 } else { lens.next().copied().unwrap_or(1) }).collect();
            Some(reshaped(shape))
        }
        _ => None,
    })
}

/// To another number format of real numbers: all of them are single precision here.
fn cast(node: &Node<'_>, data: &Tensor) -> Result<Tensor, LoadError> {
    match node.attributes.get("to") {
        // FLOAT, FLOAT16, DOUBLE, BFLOAT16
        Some(Attribute::Int(1 | 10 | 11 | 16)) => Ok(data.clone()),
        _ => Err(LoadError::Unsupported("Cast of weights to whole numbers".to_owned())),
    }
}

fn permutation(node: &Node<'_>, rank: usize) -> Result<Vec<usize>, LoadError> {
    let Some(Attribute::Ints(order)) = node.attributes.get("perm") else { return Ok((0..rank).rev().collect()) };
    let order: Vec<usize> = order.iter().map(|axis| usize::try_from(*axis).unwrap_or(usize::MAX)).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..rank) { Ok(order) } else { Err(LoadError::Onnx("a Transpose has no order of its dimensions")) }
}

fn transpose(data: &Tensor, order: &[usize]) -> Result<Tensor, LoadError> {
    if data.shape.len() > MAX_DIMENSIONS {
        return Err(LoadError::Bound { what: "dimensions", limit: MAX_DIMENSIONS });
    }
    let mut strides = vec![1; data.shape.len()];
    for at in (1..strides.len()).rev() {
        strides[at - 1] = strides[at] * data.shape[at];
    }
    let shape: Vec<usize> = order.iter().map(|axis| data.shape[*axis]).collect();
    let mut index = vec![0; shape.len()];
    let mut numbers = Vec::with_capacity(data.numbers.len());
    for _ in 0..data.numbers.len() {
        numbers.push(data.numbers[index.iter().zip(order).map(|(i, axis)| i * strides[*axis]).sum::<usize>()]);
        for (i, len) in index.iter_mut().zip(&shape).rev() {
            *i += 1;
            if *i < *len {
                break;
            }
            *i = 0;
        }
    }
    Ok(Tensor { shape, numbers })
}

/// A shape in which 0 keeps a dimension and -1 stands for what is left.
fn asked_shape(data: &Tensor, asked: &[f32]) -> Result<Vec<usize>, LoadError> {
    const WRONG: LoadError = LoadError::Onnx("a Reshape does not fit its weights");
    if asked.len() > MAX_DIMENSIONS {
        return Err(LoadError::Bound { what: "dimensions", limit: MAX_DIMENSIONS });
    }
    let mut shape = Vec::with_capacity(asked.len());
    let mut open = None;
    for (at, len) in asked.iter().enumerate() {
        match *len as i64 {
            -1 if open.is_none() => {
                open = Some(at);
                shape.push(1);
            }
            0 => shape.push(*data.shape.get(at).ok_or(WRONG)?),
            len => shape.push(usize::try_from(len).map_err(|_| WRONG)?),
        }
    }
    let known = volume(&shape).ok_or(WRONG)?;
    if let Some(at) = open {
        shape[at] = data.numbers.len().checked_div(known).ok_or(WRONG)?;
    }
    if volume(&shape) == Some(data.numbers.len()) { Ok(shape) } else { Err(WRONG) }
}

/// The axes of a `Squeeze` or `Unsqueeze`, as an attribute (to opset 12) or as an input.
fn axes(node: &Node<'_>, input: Option<&&Tensor>, rank: usize) -> Result<Vec<usize>, LoadError> {
    let axes: Vec<i64> = match (node.attributes.get("axes"), input) {
        (Some(Attribute::Ints(axes)), _) => axes.clone(),
        (_, Some(axes)) => axes.numbers.iter().map(|axis| *axis as i64).collect(),
        _ => Vec::new(),
    };
    if axes.len() > MAX_DIMENSIONS {
        return Err(LoadError::Bound { what: "dimensions", limit: MAX_DIMENSIONS });
    }
    axes.into_iter().map(|axis| place(axis, rank)).collect()
}

/// An axis counted from the front; negative ones count from the end.
fn place(axis: i64, rank: usize) -> Result<usize, LoadError> {
    let from_front = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    from_front.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < rank).ok_or(LoadError::Onnx("there is no such dimension"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn tensor(shape: &[usize]) -> Tensor {
        Tensor { shape: shape.to_vec(), numbers: (0..shape.iter().product::<usize>()).map(|i| i as f32).collect() }
    }

    fn row(numbers: &[f32]) -> Tensor {
        Tensor { shape: vec![numbers.len()], numbers: numbers.to_vec() }
    }

    fn done(operator: &'static str, attributes: &[(&'static str, Attribute)], inputs: &[&Tensor]) -> Result<Tensor, LoadError> {
        let attributes: BTreeMap<_, _> = attributes.iter().cloned().collect();
        apply(&Node { operator, attributes, ..Node::default() }, inputs).map(|made| made.unwrap())
    }

    #[test]
    fn weights_are_turned_as_numpy_turns_them() {
        let turned = done("Transpose", &[], &[&tensor(&[2, 3])]).unwrap();
        assert_eq!((turned.shape, turned.numbers), (vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        let turned = done("Transpose", &[("perm", Attribute::Ints(vec![1, 0, 2]))], &[&tensor(&[2, 2, 2])]).unwrap();
        assert_eq!(turned.numbers, [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
        for wrong in [vec![0, 0], vec![0, 1, 2], vec![0, -1], vec![]] {
            assert!(done("Transpose", &[("perm", Attribute::Ints(wrong))], &[&tensor(&[2, 3])]).is_err());
        }
    }

    #[test]
    fn shapes_change_as_the_standard_says() {
        let shape = |operator, attributes: &[_], inputs: &[&Tensor]| done(operator, attributes, inputs).map(|tensor| tensor.shape);
        let data = tensor(&[2, 1, 6]);
        assert_eq!(shape("Reshape", &[], &[&data, &row(&[3.0, -1.0])]).unwrap(), [3, 4]);
        assert_eq!(shape("Reshape", &[], &[&data, &row(&[0.0, 6.0])]).unwrap(), [2, 6]);
        for wrong in [&[5.0, -1.0][..], &[7.0], &[-1.0, -1.0], &[-2.0, -6.0], &[1e20], &[0.0, 0.0, 0.0, 0.0]] {
            assert!(shape("Reshape", &[], &[&data, &row(wrong)]).is_err(), "{wrong:?}");
        }
        assert_eq!(shape("Squeeze", &[], &[&data]).unwrap(), [2, 6]);
        assert_eq!(shape("Squeeze", &[], &[&data, &row(&[-2.0])]).unwrap(), [2, 6]);
        assert_eq!(shape("Unsqueeze", &[("axes", Attribute::Ints(vec![0, -1]))], &[&row(&[1.0, 2.0])]).unwrap(), [1, 2, 1]);
        assert!(shape("Unsqueeze", &[], &[&data, &row(&[9.0])]).is_err());
        assert_eq!(shape("Flatten", &[], &[&data]).unwrap(), [2, 6]);
        assert_eq!(shape("Cast", &[("to", Attribute::Int(11))], &[&data]).unwrap(), [2, 1, 6]);
        assert!(shape("Cast", &[("to", Attribute::Int(7))], &[&data]).is_err());
    }
}
