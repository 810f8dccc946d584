"""Builds what `save_page` writes a network into: the graph of a ResNet18's body, and the page.

    python tools/page.py    everything, into rsna_cls/template; needs Node.js and npm

The graph is written here, operator by operator, and not by an exporter: it is the same for every
learner, whose weights lie beside it. Batch normalisation is folded into the convolutions.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from onnx import TensorProto, helper

HERE = Path(__file__).resolve().parents[1]
SOURCE = HERE / "page"
TEMPLATE = HERE / "rsna_cls/template"
GRAPH = "body.onnx"
PROGRAM = "onnxruntime.wasm.z"
PAGE = "page.html"
_OPSET = 17  # the version of ONNX's list of operators
_WEIGHTS = "weights"  # what the graph calls the file beside it
_FLOAT_BYTES = 4


class _Graph:
    "A graph that grows by an operator at a time."

    def __init__(self):
        self.nodes = []
        self.tensors = []
        self._offset = 0  # of the next tensor in the file beside the graph (bytes)

    def _tensor(self, name, shape):
        "Name numbers that lie in the file beside the graph, behind those named before."
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        length = _FLOAT_BYTES
        for side in shape:
            length *= side
        facts = {"location": _WEIGHTS, "offset": self._offset, "length": length}
        for key, value in facts.items():
            tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)
        self._offset += length
        return name

    def add(self, operator, inputs, output, **attributes):
        "Add an operator; returns the name of what it gives."
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def convolution(self, maps, name, filters, channels, side, stride=1):
        "Add a convolution with a bias, which keeps the size but for its stride."
        weight = self._tensor(f"{name}.weight", [filters, channels, side, side])
        bias = self._tensor(f"{name}.bias", [filters])
        return self.add(
            "Conv",
            [maps, weight, bias],
            name,
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=4 * [side // 2],
        )

    def relu(self, maps, output):
        "Add a ReLU: what is negative becomes 0."
        return self.add("Relu", [maps], output)


def _add_part(graph, maps, name, filters, channels, output):
    "Add two convolutions, and what goes past them (He 2015)."
    changes = channels != filters
    inner = graph.convolution(maps, f"{name}.a", filters, channels, 3, stride=2 if changes else 1)
    inner = graph.relu(inner, f"{name}.a.relu")
    inner = graph.convolution(inner, f"{name}.b", filters, filters, 3)
    past = maps
    if changes:
        past = graph.convolution(maps, f"{name}.past", filters, channels, 1, stride=2)
    total = graph.add("Add", [inner, past], f"{name}.sum")
    return graph.relu(total, output)


def make_graph():
    "The body of a ResNet18 as an ONNX model without weights."
    graph = _Graph()
    first = graph.relu(graph.convolution("films", "first.conv", 64, 3, 7, stride=2), "first")
    maps = graph.add(
        "MaxPool", [first], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=4 * [1]
    )
    outputs = ["first"]
    channels = 64
    for group, filters in enumerate((64, 128, 256, 512), start=1):
        for part, output in ((1, f"group{group}.part1"), (2, f"group{group}")):
            name = f"group{group}.part{part}"
            maps = _add_part(graph, maps, name, filters, channels, output)
            channels = filters
        outputs.append(maps)

    def value(name, channels):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, None, None])

    body = helper.make_graph(
        graph.nodes,
        "body of a ResNet18",
        [value("films", 3)],
        [value(name, None) for name in outputs],
        initializer=graph.tensors,
    )
    opset = helper.make_opsetid("", _OPSET)
    return helper.make_model(body, opset_imports=[opset], ir_version=8, producer_name="rsna_cls")


def _run(command):
    "Run a command in the page's folder."
    subprocess.run(command, cwd=SOURCE, check=True)


def build(folder):
    "Write the template into a folder."
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("Building the page needs Node.js and npm: on Debian, apt-get install npm")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GRAPH).write_bytes(make_graph().SerializeToString(deterministic=True))
    _run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"])
    _run([npm, "run", "--silent", "check"])
    _run([npm, "run", "--silent", "test"])
    _run([npm, "run", "--silent", "build", "--", str(folder)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    build(TEMPLATE)
    for file in sorted(TEMPLATE.iterdir()):
        print(f"{file.relative_to(HERE)}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
