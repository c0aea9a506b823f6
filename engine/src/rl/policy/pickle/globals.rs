//! The names that the pickles of state dicts and checkpoints ask for, and no others.

use super::Dtype;

/// The names a state dict may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    /// A tensor that is a parameter; the tensor is its first argument.
    RebuildParameter,
    Storage(Dtype),
    /// A dict that makes what is missing.
    DefaultDict,
    /// What stands beside the weights of a checkpoint and is not looked at.
    Opaque,
}

impl Global {
    /// The name, where it is one of those a state dict or a checkpoint has.
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("collections", "defaultdict") => Self::DefaultDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "DoubleStorage") => Self::Storage(Dtype::F64),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::Bf16),
            ("torch", "LongStorage") => Self::Storage(Dtype::Whole(8)),
            ("torch", "IntStorage") => Self::Storage(Dtype::Whole(4)),
            ("torch", "ShortStorage") => Self::Storage(Dtype::Whole(2)),
            ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => Self::Storage(Dtype::Whole(1)),
            _ if OPAQUE.contains(&(module, name)) || DTYPES.contains(&name) && module == "torch" => Self::Opaque,
            _ => return None,
        })
    }
}

/// Names of plain values in checkpoints: numbers of numpy, containers, settings.
const OPAQUE: [(&str, &str); 14] = [
    ("_codecs", "encode"),
    ("argparse", "Namespace"),
    ("builtins", "dict"),
    ("__builtin__", "dict"),
    ("builtins", "list"),
    ("__builtin__", "list"),
    ("builtins", "set"),
    ("__builtin__", "set"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch.torch_version", "TorchVersion"),
];

/// Number formats as values of `torch`.
const DTYPES: [&str; 9] = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "uint8", "bool"];
