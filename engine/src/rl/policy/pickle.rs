//! A reader for the pickles of PyTorch state dicts, and of checkpoints that hold one, and for nothing else.
//!
//! A pickle is a program. This interpreter knows the instructions and the few names that
//! `torch.save(module.state_dict())` makes, and those that checkpoints have beside the weights (the optimizer's state, losses,
//! settings). The latter become opaque values: nothing in them is looked at. It has no way to call anything, and refuses
//! everything else by name. Every object lives in one list and refers to others by number, so that neither depth nor cycles
//! can exhaust a stack.

mod globals;

use super::{LoadError, bounds};
use globals::Global;

/// A number format of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    F32,
    F64,
    F16,
    Bf16,
    /// Of whole numbers or switches: no weights, but counters that lie beside them. So many bytes each.
    Whole(u8),
}

impl Dtype {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::F16 | Self::Bf16 => 2,
            Self::Whole(bytes) => bytes as usize,
        }
    }
}

/// A part of the archive that holds numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) dtype: Dtype,
    /// `data/<key>` in the archive.
    pub(super) key: String,
    /// How many numbers.
    pub(super) len: usize,
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorView {
    pub(super) storage: Storage,
    /// Numbers before the first one.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Numbers between neighbours of each dimension.
    pub(super) strides: Vec<usize>,
}

/// What stands on the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Mark,
    None,
    Bool(bool),
    Int(i64),
    /// Something that is not looked at: a float, a list, an object beside the weights.
    Opaque,
    Global(Global),
    /// A number in the list of objects.
    Object(usize),
}

#[derive(Debug)]
enum Object {
    Text(String),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage(Storage),
    Tensor(TensorView),
}

/// The tensors of a state dict by name, in the order in which it holds them.
pub(super) type StateDict = Vec<(String, TensorView)>;

/// Reads the tensors of a state dict, or of the one that a checkpoint holds.
pub(super) fn state_dict(bytes: &[u8]) -> Result<StateDict, LoadError> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new(), objects: Vec::new(), held: 0 };
    let top = machine.run()?;
    machine.into_tensors(top)
}

/// What checkpoints call the state dict of the network that acts, the likeliest first.
const USUAL: [&str; 8] =
    ["model_state_dict", "state_dict", "policy_state_dict", "policy", "model", "q_network_state_dict", "q_network", "network"];

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: Vec<Option<Value>>,
    objects: Vec<Object>,
    /// Values that all tuples and dicts hold together.
    held: usize,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Value, LoadError> {
        if self.take(2)? != [0x80, 2] {
            return Err(self.broken("it does not begin as a pickle of protocol 2, which torch.save writes"));
        }
        loop {
            let at = self.at;
            match self.take(1)?[0] {
                b'.' => break,
                opcode => self.execute(opcode, at)?,
            }
            if self.stack.len() > bounds::MAX_STACK {
                return Err(LoadError::Bound { what: "values on the pickle's stack", limit: bounds::MAX_STACK });
            }
        }
        match self.stack[..] {
            [top] if self.at == self.bytes.len() => Ok(top),
            [_] => Err(self.broken("something follows its end")),
            _ => Err(self.broken("it does not end with one value")),
        }
    }

    fn execute(&mut self, opcode: u8, at: usize) -> Result<(), LoadError> {
        match opcode {
            b'(' => self.stack.push(Value::Mark),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'K' => self.push_int(1, false)?,
            b'M' => self.push_int(2, false)?,
            b'J' => self.push_int(4, true)?,
            // LONG1: numbers beyond 32 bits.
            0x8a => {
                let len = usize::from(self.take(1)?[0]);
                self.push_int(len, true)?;
            }
            // LONG4: numbers beyond 2,040 bits.
            0x8b => {
                let len = le(self.take(4)?) as usize;
                self.take(len)?;
                self.stack.push(Value::Opaque);
            }
            // BINFLOAT
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Opaque);
            }
            // EMPTY_LIST, APPEND, APPENDS: lists hold no weights, and nothing of them is kept.
            b']' => self.stack.push(Value::Opaque),
            b'a' => {
                self.pop()?;
                self.holds_nothing("it appends to what is no list")?;
            }
            b'e' => {
                self.pop_to_mark()?;
                self.holds_nothing("it appends to what is no list")?;
            }
            b'X' => self.push_text()?,
            b'}' => self.make(Object::Dict(Vec::new()))?,
            b')' => self.make(Object::Tuple(Vec::new()))?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.make_tuple(items)?;
            }
            // TUPLE1, TUPLE2, TUPLE3
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or_else(|| self.broken("the stack is empty"))?;
                let items = self.stack.split_off(from);
                self.make_tuple(items)?;
            }
            b'c' => self.global()?,
            b'q' | b'r' => {
                let slot = self.slot(opcode == b'q')?;
                let top = *self.stack.last().ok_or_else(|| self.broken("the stack is empty"))?;
                if slot >= self.memo.len() {
                    self.memo.resize(slot + 1, None);
                }
                self.memo[slot] = Some(top);
            }
            b'h' | b'j' => {
                let slot = self.slot(opcode == b'h')?;
                let value = self.memo.get(slot).copied().flatten().ok_or_else(|| self.broken("it recalls what it never noted"))?;
                self.stack.push(value);
            }
            b'R' => self.reduce()?,
            b'Q' => self.persistent()?,
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)?;
            }
            b'b' => self.build()?,
            opcode => return Err(LoadError::ForbiddenOpcode { opcode, at }),
        }
        Ok(())
    }

    /// A name: known and harmless, or the end.
    fn global(&mut self) -> Result<(), LoadError> {
        let (module, name) = (self.line()?, self.line()?);
        let global = Global::find(module, name).ok_or_else(|| LoadError::ForbiddenGlobal(format!("{module}.{name}")))?;
        self.stack.push(Value::Global(global));
        Ok(())
    }

    /// What Python would call. Here: an empty ordered dict, or a view of a storage.
    fn reduce(&mut self) -> Result<(), LoadError> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        match callee {
            Value::Global(Global::OrderedDict) if self.tuple(arguments)?.is_empty() => self.make(Object::Dict(Vec::new())),
            Value::Global(Global::DefaultDict) if self.tuple(arguments)?.len() < 2 => self.make(Object::Dict(Vec::new())),
            Value::Global(Global::RebuildParameter) => {
                let tensor = self.tuple(arguments)?.first().copied().filter(|value| matches!(self.object(*value), Some(Object::Tensor(_))));
                self.stack.push(tensor.ok_or_else(|| self.broken("a parameter is made of what is no tensor"))?);
                Ok(())
            }
            Value::Global(Global::Opaque) => {
                self.tuple(arguments)?;
                self.stack.push(Value::Opaque);
                Ok(())
            }
            Value::Global(Global::RebuildTensor) => {
                let view = self.tensor(arguments)?;
                self.make(Object::Tensor(view))
            }
            _ => Err(self.broken("it calls something with arguments that a state dict has no need of")),
        }
    }

    /// `(storage, offset, shape, strides, requires_grad, hooks)`
    fn tensor(&self, arguments: Value) -> Result<TensorView, LoadError> {
        let (&[storage, offset, shape, strides, Value::Bool(_), _hooks] | &[storage, offset, shape, strides, Value::Bool(_), _hooks, _]) =
            self.tuple(arguments)?
        else {
            return Err(self.broken("a tensor is made of something else"));
        };
        let Some(Object::Storage(storage)) = self.object(storage) else { return Err(self.broken("a tensor has no storage")) };
        let view =
            TensorView { storage: storage.clone(), offset: self.size(offset)?, shape: self.sizes(shape)?, strides: self.sizes(strides)? };
        if view.shape.len() == view.strides.len() { Ok(view) } else { Err(self.broken("a tensor's shape and strides differ in length")) }
    }

    /// `('storage', torch.FloatStorage, key, location, numbers)`
    fn persistent(&mut self) -> Result<(), LoadError> {
        let id = self.pop()?;
        let &[tag, Value::Global(Global::Storage(dtype)), key, location, len] = self.tuple(id)? else {
            return Err(self.broken("it refers to something that is no storage"));
        };
        if self.text(tag)? != "storage" {
            return Err(self.broken("it refers to something that is no storage"));
        }
        // Where the numbers lived when they were saved: `cpu`, `cuda:0`. It makes no difference.
        self.text(location)?;
        let storage = Storage { dtype, key: self.text(key)?.to_owned(), len: self.size(len)? };
        self.make(Object::Storage(storage))
    }

    fn set_items(&mut self, items: &[Value]) -> Result<(), LoadError> {
        self.hold(items.len())?;
        let at = self.at;
        let target = self.stack.last().copied();
        match target {
            Some(Value::Opaque) if items.len().is_multiple_of(2) => {}
            Some(Value::Object(index)) if items.len().is_multiple_of(2) => match &mut self.objects[index] {
                Object::Dict(entries) => entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
                _ => return Err(LoadError::Pickle { at, reason: "it puts items into what is no dict" }),
            },
            _ => return Err(self.broken("it puts items into what is no dict")),
        }
        Ok(())
    }

    /// Attributes of the dict: PyTorch notes the versions of its modules there. They are not looked at.
    fn build(&mut self) -> Result<(), LoadError> {
        let state = self.pop()?;
        if self.stack.last() == Some(&Value::Opaque) {
            return Ok(());
        }
        let target = self.stack.last().copied();
        let is_dict = |value| matches!(self.object(value), Some(Object::Dict(_)));
        if is_dict(state) && target.is_some_and(is_dict) { Ok(()) } else { Err(self.broken("it sets the state of what is no dict")) }
    }

    /// Fails unless the top of the stack is something that is not looked at.
    fn holds_nothing(&self, otherwise: &'static str) -> Result<(), LoadError> {
        if self.stack.last() == Some(&Value::Opaque) { Ok(()) } else { Err(self.broken(otherwise)) }
    }

    /// The state dict: the value itself, or the one dict within it that holds weights.
    fn into_tensors(self, top: Value) -> Result<StateDict, LoadError> {
        let entries = self.entries(top).ok_or_else(|| self.broken("it holds no state dict"))?;
        let own = self.tensors_of(entries);
        // A checkpoint may have single tensors of its own, such as a loss or the state of a random generator.
        let has_weights = |tensors: &StateDict| tensors.iter().any(|(name, _)| name.ends_with("weight"));
        if has_weights(&own) || entries.is_empty() {
            return Ok(own);
        }
        let mut within: Vec<(&str, StateDict)> = entries
            .iter()
            .filter_map(|&(key, value)| Some((self.text(key).ok()?, self.tensors_of(self.entries(value)?))))
            .filter(|(_, tensors)| has_weights(tensors))
            .collect();
        if within.is_empty() && !own.is_empty() {
            return Ok(own);
        }
        if within.len() > 1 {
            // The one that goes by the usual name; an exponential average or a target lies beside it.
            within.sort_by_key(|(name, _)| USUAL.iter().position(|usual| usual == name).unwrap_or(USUAL.len()));
            if !USUAL.contains(&within[0].0) {
                let names: Vec<_> = within.iter().map(|(name, _)| format!("{name:?}")).collect();
                return Err(LoadError::NoChain(format!(
                    "the checkpoint holds several networks ({}): save the one that acts",
                    names.join(", ")
                )));
            }
        }
        within
            .into_iter()
            .next()
            .map(|(_, tensors)| tensors)
            .ok_or_else(|| self.broken("there are no weights in it: it holds no state dict"))
    }

    fn entries(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.object(value) {
            Some(Object::Dict(entries)) => Some(entries),
            _ => None,
        }
    }

    /// The tensors that a dict holds by name. What else it holds, a step or a version, is no weight.
    fn tensors_of(&self, entries: &[(Value, Value)]) -> StateDict {
        let named = |&(key, value): &(Value, Value)| match (self.text(key), self.object(value)) {
            (Ok(name), Some(Object::Tensor(view))) => Some((name.to_owned(), view.clone())),
            _ => None,
        };
        entries.iter().filter_map(named).collect()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], LoadError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.broken("it is cut short"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn line(&mut self) -> Result<&'a str, LoadError> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().take(bounds::MAX_NAME).position(|b| *b == b'\n').ok_or_else(|| self.broken("a name has no end"))?;
        let line = std::str::from_utf8(self.take(len)?).map_err(|_| self.broken("a name is not UTF-8"))?;
        self.take(1)?;
        Ok(line)
    }

    fn slot(&mut self, short: bool) -> Result<usize, LoadError> {
        let slot = if short { usize::from(self.take(1)?[0]) } else { le(self.take(4)?) as usize };
        if slot < bounds::MAX_MEMO { Ok(slot) } else { Err(LoadError::Bound { what: "notes of the pickle", limit: bounds::MAX_MEMO }) }
    }

    /// A little-endian number of `len` bytes.
    fn push_int(&mut self, len: usize, signed: bool) -> Result<(), LoadError> {
        if len > 8 {
            return Err(self.broken("a number has more than 64 bits"));
        }
        let value = le(self.take(len)?);
        let shift = 64 - 8 * len.max(1) as u32;
        self.stack.push(Value::Int(if signed { (value << shift) as i64 >> shift } else { value as i64 }));
        Ok(())
    }

    fn push_text(&mut self) -> Result<(), LoadError> {
        let len = le(self.take(4)?) as usize;
        if len > bounds::MAX_TEXT {
            return Err(LoadError::Bound { what: "bytes in a text", limit: bounds::MAX_TEXT });
        }
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| self.broken("a text is not UTF-8"))?;
        self.make(Object::Text(text.to_owned()))
    }

    fn make_tuple(&mut self, items: Vec<Value>) -> Result<(), LoadError> {
        self.hold(items.len())?;
        self.make(Object::Tuple(items))
    }

    fn make(&mut self, object: Object) -> Result<(), LoadError> {
        self.hold(1)?;
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
        Ok(())
    }

    fn hold(&mut self, more: usize) -> Result<(), LoadError> {
        self.held += more;
        let within = self.held <= bounds::MAX_OBJECTS;
        if within { Ok(()) } else { Err(LoadError::Bound { what: "objects in the pickle", limit: bounds::MAX_OBJECTS }) }
    }

    fn pop(&mut self) -> Result<Value, LoadError> {
        match self.stack.pop() {
            Some(Value::Mark) | None => Err(self.broken("the stack is empty")),
            Some(value) => Ok(value),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, LoadError> {
        let mark = self.stack.iter().rposition(|v| *v == Value::Mark).ok_or_else(|| self.broken("it has no mark"))?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(index) => self.objects.get(index),
            _ => None,
        }
    }

    fn tuple(&self, value: Value) -> Result<&[Value], LoadError> {
        match self.object(value) {
            Some(Object::Tuple(items)) => Ok(items),
            _ => Err(self.broken("a tuple is missing")),
        }
    }

    fn text(&self, value: Value) -> Result<&str, LoadError> {
        match self.object(value) {
            Some(Object::Text(text)) => Ok(text),
            _ => Err(self.broken("a text is missing")),
        }
    }

    fn size(&self, value: Value) -> Result<usize, LoadError> {
        match value {
            Value::Int(n) => usize::try_from(n).map_err(|_| self.broken("a size is negative")),
            _ => Err(self.broken("a size is no number")),
        }
    }

    fn sizes(&self, value: Value) -> Result<Vec<usize>, LoadError> {
        self.tuple(value)?.iter().map(|v| self.size(*v)).collect()
    }

    const fn broken(&self, reason: &'static str) -> LoadError {
        LoadError::Pickle { at: self.at, reason }
    }
}

/// A little-endian number of up to eight bytes.
fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
