"""Makes fuzz/corpus/policy_files: small policies as PyTorch, Stable-Baselines3 and ONNX write them, and
files that must be refused. Needs the packages `onnx` and `numpy`; PyTorch is not needed: CPython's own
pickler writes what `torch.save` would.

    python3 fuzz/make/policy_files.py
"""

import io
import json
import os
import pathlib
import pickle
import struct
import sys
import tempfile
import types
import zipfile
from collections import OrderedDict

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = pathlib.Path(__file__).parent.parent / "corpus" / "policy_files"
RANDOM = np.random.default_rng(4)

# Stand-ins under PyTorch's names, so that the pickler writes those names.
torch, torch_utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": torch_utils})


def _rebuild_tensor_v2(*_):
    pass


_rebuild_tensor_v2.__module__ = "torch._utils"
torch_utils._rebuild_tensor_v2 = _rebuild_tensor_v2
STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8"}
for storage in STORAGES:
    kind = type(storage, (), {"__module__": "torch"})
    setattr(torch, storage, kind)


class Storage:
    def __init__(self, kind, key, numbers):
        self.kind, self.key, self.numbers = kind, key, numbers


class Tensor:
    def __init__(self, storage, shape, strides, offset=0):
        self.storage, self.shape, self.strides, self.offset = storage, shape, strides, offset

    def __reduce__(self):
        return _rebuild_tensor_v2, (self.storage, self.offset, self.shape, self.strides, False, OrderedDict())


class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return ("storage", getattr(torch, value.kind), value.key, "cpu", len(value.numbers))
        return None


def zipped(entries, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return out.getvalue()


def state_dict(tensors, kind="FloatStorage", transposed=False, root="archive", pickled=None, within=lambda values: values):
    entries, values = {}, OrderedDict()
    for key, (name, numbers) in enumerate(tensors.items()):
        stored = numbers.T if transposed else numbers
        storage = Storage(kind, str(key), stored.flatten())
        strides = [1] * numbers.ndim
        for i in range(numbers.ndim - 2, -1, -1):
            strides[i] = strides[i + 1] * numbers.shape[i + 1]
        if transposed and numbers.ndim == 2:
            strides = [1, numbers.shape[0]]
        values[name] = Tensor(storage, numbers.shape, tuple(strides))
        entries[f"{root}/data/{key}"] = stored.astype(STORAGES[kind]).tobytes()
    out = io.BytesIO()
    Pickler(out, 2).dump(within(values))
    return zipped({f"{root}/data.pkl": pickled or out.getvalue(), f"{root}/byteorder": "little", **entries, f"{root}/version": "3\n"})


def chain(prefix, widths):
    layers = {}
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        layers[f"{prefix}.{2 * i}.weight"] = RANDOM.normal(size=(outputs, inputs)).astype("<f4")
        layers[f"{prefix}.{2 * i}.bias"] = RANDOM.normal(size=outputs).astype("<f4")
    return layers


def sb3(tensors, observations=2, actions=3, **data):
    told = {"observation_space": {"_shape": [observations]}, "action_space": {"n": str(actions)}, "policy_kwargs": {}, **data}
    return zipped({"data": json.dumps(told), "policy.pth": state_dict(tensors), "_stable_baselines3_version": "2.7.0"})


def actor_critic():
    tensors = {**chain("mlp_extractor.policy_net", [2, 4]), **chain("mlp_extractor.value_net", [2, 4])}
    for name, outputs in (("action_net", 3), ("value_net", 1)):
        tensors[f"{name}.weight"] = RANDOM.normal(size=(outputs, 4)).astype("<f4")
        tensors[f"{name}.bias"] = RANDOM.normal(size=outputs).astype("<f4")
    return tensors


def onnx_model(nodes, weights, output="y"):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "policy", [info("x", TensorProto.FLOAT, ["batch", 2])], [info(output, TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(numbers, name) for name, numbers in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return model.SerializeToString()


def external(model, name):
    """The model with its weights in the file `name` beside it."""
    model = onnx.load_from_string(model)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        onnx.save(model, path, save_as_external_data=True, location=name, size_threshold=0)
        return path.read_bytes(), (path.parent / name).read_bytes()


def safetensors(tensors, note):
    header, data = {"__metadata__": {"slipstream": json.dumps(note)}}, b""
    for name, numbers in tensors.items():
        content = numbers.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(numbers.shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main():
    net = chain("net", [2, 4, 3])
    files = {"torch": state_dict(net), "torch-double": state_dict(net, "DoubleStorage"), "torch-half": state_dict(net, "HalfStorage")}
    files["torch-transposed"] = state_dict(net, transposed=True)
    q_net = {**chain("q_net.q_net", [2, 4, 3]), **chain("q_net_target.q_net", [2, 4, 3])}
    files["sb3-dqn"] = sb3(q_net)
    files["sb3-dqn-tanh"] = sb3(q_net, policy_kwargs={"activation_fn": "<class 'torch.nn.modules.activation.Tanh'>"})
    files["sb3-ppo"] = sb3(actor_critic(), clip_range={})
    files["sb3-a2c"] = sb3(actor_critic())
    weights = {name: net[f"net.{n}.{part}"] for name, n, part in (("w0", 0, "weight"), ("b0", 0, "bias"), ("w1", 2, "weight"), ("b1", 2, "bias"))}
    node = helper.make_node
    gemm = [node("Gemm", ["x", "w0", "b0"], ["h"], transB=1), node("Relu", ["h"], ["a"]), node("Gemm", ["a", "w1", "b1"], ["y"], transB=1)]
    files["onnx-gemm"] = onnx_model(gemm, weights)
    apart = {name: numbers.T.copy() for name, numbers in weights.items()}
    matmul = [node("MatMul", ["x", "w0"], ["m"]), node("Add", ["m", "b0"], ["h"]), node("Relu", ["h"], ["a"]), node("MatMul", ["a", "w1"], ["n"]), node("Add", ["b1", "n"], ["l"])]
    files["onnx-matmul-softmax"] = onnx_model([*matmul, node("Softmax", ["l"], ["y"], axis=-1)], apart)
    note = {"version": 1, "algorithm": "dqn", "head": "q_values", "activation": "relu"}
    ours = {name.replace("net", "actor"): numbers for name, numbers in net.items()}
    files["safetensors"] = safetensors(ours, note)
    # What must be refused.
    files["refused-safetensors-version"] = safetensors(ours, {**note, "version": 2})
    files["refused-safetensors-cut"] = files["safetensors"][:-4]
    files["refused-onnx-conv"] = onnx_model([node("Elu", ["x"], ["h"]), *[node("Gemm", ["h", "w0", "b0"], ["y"], transB=1)]], weights)
    files["refused-onnx-cut"] = files["onnx-gemm"][:-30]
    files["refused-cut"] = files["sb3-ppo"][:-100]
    files["refused-nan"] = state_dict({**net, "net.2.bias": np.array([1, np.nan, 2], "<f4")})
    files["refused-shape"] = state_dict({**net, "net.2.weight": np.zeros((3, 5), "<f4")})
    files["refused-sb3-actions"] = sb3(q_net, actions=4)
    files["refused-long"] = state_dict({"net.0.weight": np.zeros((2, 2), "<i8")}, "LongStorage")
    files["refused-deflated"] = zipped({"data": "{}", "policy.pth": files["torch"]}, zipfile.ZIP_DEFLATED)

    class Attack:
        def __reduce__(self):
            return os.system, ("touch /tmp/slipstream-was-here",)

    files["refused-code"] = state_dict(net, pickled=pickle.dumps({"net.0.weight": Attack()}, 2))
    files["refused-code-protocol-4"] = state_dict(net, pickled=pickle.dumps({"net.0.weight": Attack()}, 4))
    # As today's exporters and trainers write them.
    renamed = lambda names: {f"{names[int(key.split('.')[1])]}.{key.split('.')[2]}": numbers for key, numbers in net.items()}
    files["torch-bare-numbers"] = state_dict(renamed({0: "0", 2: "2"}))
    files["torch-words"] = state_dict(renamed({0: "hidden", 2: "a_head"}))
    files["torch-target"] = state_dict({**renamed({0: "q_net.0", 2: "q_net.2"}), **chain("q_net_target", [2, 4, 3])})
    moments = {n: {"step": 3.0, "exp_avg": None} for n in range(4)}
    settings = [{"lr": 3e-4, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, "params": [0, 1, 2, 3]}]
    checkpoint = lambda values: {
        "epoch": 7, "optimizer_state_dict": {"state": moments, "param_groups": settings}, "loss": np.float64(0.25), "rewards": [1.5, 2.5], "generator": next(iter(values.values())),
        "arguments": {"env": "daladala", "notes": "n" * 2_000}, "model_state_dict": values,
    }
    files["torch-checkpoint"] = state_dict(net, within=checkpoint)
    files["torch-two-networks"] = state_dict(net, within=lambda values: {"one": values, "two": values})
    files["torch-sb3-dqn-state"] = state_dict(q_net)
    files["torch-sb3-ppo-state"] = state_dict(actor_critic())
    files["refused-legacy"] = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}))
    files["refused-actor-critic"] = state_dict({**chain("critic", [2, 4, 1]), **chain("actor", [2, 4, 3])})
    turned = [node("Transpose", ["w0t"], ["w0"], perm=[1, 0]), node("Cast", ["b0c"], ["b0"], to=TensorProto.FLOAT), node("Identity", ["w1i"], ["w1"])]
    folded = {"w0t": weights["w0"].T.copy(), "b0c": weights["b0"], "w1i": weights["w1"].reshape(-1), "shape": np.array([3, -1], "<i8"), "b1": weights["b1"]}
    turned[2] = node("Reshape", ["w1i", "shape"], ["w1"])
    files["onnx-folded"] = onnx_model([*turned, *gemm], folded)
    files["onnx-half"] = onnx_model([node("Cast", [f"{n}h"], [n], to=TensorProto.FLOAT) for n in weights] + gemm, {f"{n}h": w.astype("<f2") for n, w in weights.items()})
    files["onnx-external"], files["onnx-external.data"] = external(files["onnx-gemm"], "onnx-external.data")
    files["refused-onnx-elsewhere"] = files["onnx-external"].replace(b"onnx-external.data", b"../external.datax/")
    OUT.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (OUT / name).write_bytes(content)


main()
