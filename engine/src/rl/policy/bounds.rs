//! What a policy's file may have at most. The reference policies have 50 kB and six layers; these leave
//! room for any network that decides within a step of telemetry.

/// Bytes of a file.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// Entries of an archive.
pub(super) const MAX_ENTRIES: usize = 4_096;
/// Numbers in all tensors together.
pub(super) const MAX_NUMBERS: usize = 8 << 20;
/// Tensors of a file.
pub(super) const MAX_TENSORS: usize = 1_024;
/// Dense layers of a network.
pub(super) const MAX_LAYERS: usize = 64;
/// Objects a pickle makes.
pub(super) const MAX_OBJECTS: usize = 65_536;
/// Values on a pickle's stack.
pub(super) const MAX_STACK: usize = 65_536;
/// Slots of a pickle's memo.
pub(super) const MAX_MEMO: usize = 65_536;
/// Bytes of a name.
pub(super) const MAX_NAME: usize = 512;
/// Bytes of a text in a pickle: a checkpoint has notes beside its weights.
pub(super) const MAX_TEXT: usize = 1 << 20;
/// Nodes of an ONNX graph.
pub(super) const MAX_NODES: usize = 4_096;
/// Bytes of the notes a file carries about itself.
pub(super) const MAX_DESCRIPTION: usize = 4 << 20;
