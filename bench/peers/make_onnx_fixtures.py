"""Makes the ONNX files of src/graph/onnx/fixtures, with inputs and the outputs that PyTorch or onnx's
reference evaluator gives for them. `--check FILE...` runs onnx.checker over files that Verbatim wrote.

    python make_onnx_fixtures.py            # writes the fixtures
    python make_onnx_fixtures.py --check a.onnx b.onnx
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "src/graph/onnx/fixtures"
DTYPES = {
    "float32": "float32",
    "float64": "float64",
    "int64": "int64",
    "int32": "int32",
    "int8": "int8",
    "uint8": "uint8",
    "bool": "bool",
    "float16": "float16",
}


def as_json(array):
    array = np.asarray(array)
    # float16 as its bits, bool as 0 and 1: what our tensors hold
    values = array.view(np.uint16) if array.dtype == np.float16 else array
    return {
        "dtype": DTYPES[str(array.dtype)],
        "shape": list(array.shape),
        "data": [v if isinstance(v, float) else int(v) for v in values.reshape(-1).tolist()],
    }


def save_case(name, inputs, outputs):
    case = {
        "inputs": {k: as_json(v) for k, v in inputs.items()},
        "outputs": {k: as_json(v) for k, v in outputs.items()},
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(case))


class Block(torch.nn.Module):
    """Convolution, group norm, SiLU, one head of attention, split and means: what the networks are made of."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.norm = torch.nn.GroupNorm(2, 8)
        self.qkv = torch.nn.Linear(8, 24)
        self.layer_norm = torch.nn.LayerNorm(8)

    def forward(self, x, scale):
        h = torch.nn.functional.silu(self.norm(self.conv(x))) * scale
        tokens = self.layer_norm(h.flatten(2).transpose(1, 2))
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        weights = torch.softmax(q @ k.transpose(1, 2) / 8**0.5, dim=-1)
        out = (weights @ v).transpose(1, 2).reshape(h.shape)
        out = torch.nn.functional.interpolate(out, scale_factor=2.0, mode="nearest")
        return out, h.mean(dim=(2, 3), keepdim=True), torch.amax(h, dim=1)


def torch_cases():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    block = Block().eval()
    x, scale = torch.randn(2, 3, 6, 6), torch.tensor(1.5)
    with torch.no_grad():
        out, mean, largest = block(x, scale)
    for opset in (13, 17, 20):
        path = FOLDER / f"torch_{opset}.onnx"
        torch.onnx.export(
            block,
            (x, scale),
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=["x", "scale"],
            output_names=["out", "mean", "largest"],
            dynamic_axes={"x": {0: "batch"}, "out": {0: "batch"}, "mean": {0: "batch"}, "largest": {0: "batch"}},
        )
    save_case("torch", {"x": x.numpy(), "scale": scale.numpy()}, {
        "out": out.numpy(), "mean": mean.numpy(), "largest": largest.numpy(),
    })
    model = onnx.load(FOLDER / "torch_17.onnx")
    (FOLDER / "external").mkdir(exist_ok=True)
    for old in (FOLDER / "external").iterdir():
        old.unlink()
    onnx.save(model, FOLDER / "external/model.onnx", save_as_external_data=True, size_threshold=0,
              location="model.onnx_data", convert_attribute=False)


def typed_case():
    """Every element type, in its typed field and as raw bytes; each is an output as it is."""
    arrays = {
        "float32": np.array([[1.5, -2.25], [3e-5, np.inf]], np.float32),
        "float64": np.array([0.1, -1e300]),
        "float16": np.array([1.0, -0.333251953125, 65504, 5.960464477539063e-08], np.float16),
        "int64": np.array([2**53 - 1, -(2**53) + 1, 0, -1]),
        "int32": np.array([-(2**31), 2**31 - 1], np.int32),
        "int8": np.array([-128, 127], np.int8),
        "uint8": np.array([0, 255], np.uint8),
        "bool": np.array([True, False, True]),
    }
    initializers, nodes, outputs, expected = [], [], [], {}
    for name, array in arrays.items():
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        flat = array.reshape(-1)
        fields = {"typed": helper.make_tensor(f"{name}_typed_w", kind, array.shape, flat)}
        fields["raw"] = numpy_helper.from_array(array, f"{name}_raw_w")
        for form, tensor in fields.items():
            initializers.append(tensor)
            nodes.append(helper.make_node("Identity", [f"{name}_{form}_w"], [f"{name}_{form}"]))
            outputs.append(helper.make_tensor_value_info(f"{name}_{form}", kind, array.shape))
            expected[f"{name}_{form}"] = array
    nodes.append(helper.make_node("Constant", [], ["ints"], value_ints=[3, -1]))
    outputs.append(helper.make_tensor_value_info("ints", TensorProto.INT64, [2]))
    expected["ints"] = np.array([3, -1])
    graph = helper.make_graph(nodes, "typed", [], outputs, initializers)
    save_model(graph, "typed", 20)
    case = {"inputs": {}, "outputs": {k: as_json(v) for k, v in expected.items()}}
    text = json.dumps(case).replace("Infinity", "1e999")
    (FOLDER / "typed.json").write_text(text)


def save_model(graph, name, opset, **options):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9, **options)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, FOLDER / f"{name}.onnx")
    return model


def old_forms_case():
    """Forms that changed between opsets 13 and 20: axes as an attribute, Split without sizes."""
    f = TensorProto.FLOAT
    x = helper.make_tensor_value_info("x", f, [2, 3, 4])
    nodes = [helper.make_node(op, ["x"], [op], axes=[0, -1], keepdims=keep) for op, keep in
             (("ReduceMean", 0), ("ReduceMax", 1), ("ReduceMin", 0), ("ReduceL2", 1), ("ReduceSumSquare", 0))]
    nodes.append(helper.make_node("ReduceMean", ["x"], ["all"], keepdims=0))
    nodes.append(helper.make_node("Split", ["x"], ["left", "right"], axis=2))
    names = [name for node in nodes for name in node.output]
    value = np.sin(np.arange(24, dtype=np.float32)).reshape(2, 3, 4)
    untyped = helper.make_graph(nodes, "old", [x], [helper.make_tensor_value_info(n, f, None) for n in names])
    model = helper.make_model(untyped, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    results = ReferenceEvaluator(model).run(None, {"x": value})
    outputs = [helper.make_tensor_value_info(n, f, r.shape) for n, r in zip(names, results)]
    save_model(helper.make_graph(nodes, "old", [x], outputs), "old_forms", 13)
    save_case("old_forms", {"x": value}, dict(zip(names, results)))


def refused_cases():
    f = TensorProto.FLOAT
    x = helper.make_tensor_value_info("x", f, [2])
    y = helper.make_tensor_value_info("y", f, [2])
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    branch = {
        name: helper.make_graph([helper.make_node(op, ["x"], ["r"])], name, [], [helper.make_tensor_value_info("r", f, [2])])
        for name, op in (("then_branch", "Exp"), ("else_branch", "Neg"))
    }
    node = helper.make_node("If", ["flag"], ["y"], name="choose", **branch)
    save_model(helper.make_graph([node], "if", [flag, x], [y]), "if", 20)
    body = helper.make_function("local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                [helper.make_opsetid("", 20)])
    graph = helper.make_graph([helper.make_node("Twice", ["x"], ["y"], domain="local")], "f", [x], [y])
    model = helper.make_model(graph, functions=[body], ir_version=9,
                              opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("local", 1)])
    onnx.checker.check_model(model)
    onnx.save(model, FOLDER / "function.onnx")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        for path in sys.argv[2:]:
            onnx.checker.check_model(path, full_check=True)
            print(path, "ok, onnx", onnx.__version__)
    else:
        FOLDER.mkdir(parents=True, exist_ok=True)
        torch_cases()
        typed_case()
        old_forms_case()
        refused_cases()
        print(sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()), "bytes in", FOLDER)
