#!/usr/bin/env python3
"""Writes the corpus's files of torch.save without torch: Python's own pickle and zip modules, given torch's names.

usage: write_pytorch.py CORPUS   (after checkpoint_write_corpus CORPUS: taken/groups.pt is taken/groups.qserve again)
"""
import collections
import json
import os
import pathlib
import pickle
import struct
import sys
import types
import zipfile

torch, torch_utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": torch_utils})


def torch_name(module, function):
    """Pickle stores functions and classes by their module and name."""
    function.__module__, function.__qualname__ = module.__name__, function.__name__
    setattr(module, function.__name__, function)
    return function


def _rebuild_tensor_v2(*arguments):
    raise NotImplementedError


def _rebuild_parameter(*arguments):
    raise NotImplementedError


for each in (_rebuild_tensor_v2, _rebuild_parameter):
    torch_name(torch_utils, each)
STORAGES = {"I8": ("CharStorage", 1), "U8": ("ByteStorage", 1), "F16": ("HalfStorage", 2)}
for storage_name, _ in STORAGES.values():
    torch_name(torch, type(storage_name, (), {}))


class Storage:
    def __init__(self, dtype, data):
        self.type_name, self.width = STORAGES[dtype]
        self.data = data


class Tensor:
    def __init__(self, storage, shape, offset=0, strides=None):
        self.storage, self.shape, self.offset = storage, tuple(shape), offset
        steps, step = [], 1
        for extent in reversed(self.shape):
            steps.insert(0, step)
            step *= extent
        self.strides = tuple(strides or steps)

    def __reduce_ex__(self, protocol):
        return _rebuild_tensor_v2, (self.storage, self.offset, self.shape, self.strides, False, collections.OrderedDict())


class Parameter(Tensor):
    def __reduce_ex__(self, protocol):
        return _rebuild_parameter, (Tensor(self.storage, self.shape, self.offset), False, collections.OrderedDict())


def save(path, value, compression=zipfile.ZIP_STORED, byteorder="little"):
    storages = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Storage):
                return None
            if value not in storages:
                storages.append(value)
            count = len(value.data) // value.width
            return "storage", getattr(torch, value.type_name), str(storages.index(value)), "cpu", count

    with zipfile.ZipFile(path, "w", compression) as archive:
        def add(name, data):  # always of one date
            archive.writestr(zipfile.ZipInfo("archive/" + name), data, compression)

        program = pathlib.Path(str(path) + ".pkl")
        with open(program, "wb") as out:
            Pickler(out, protocol=2).dump(value)
        add("data.pkl", program.read_bytes())
        program.unlink()
        add("byteorder", byteorder)
        for i, storage in enumerate(storages):
            add(f"data/{i}", storage.data)
        add("version", "3\n")


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    for name, entry in sorted(json.loads(data[8:8 + length]).items()):
        begin, end = entry["data_offsets"]
        yield name, entry["dtype"], entry["shape"], data[8 + length + begin:8 + length + end]


class Command:
    def __reduce__(self):
        return os.system, ("touch code-was-run",)


def main():
    corpus = pathlib.Path(sys.argv[1])
    state = collections.OrderedDict()
    for name, dtype, shape, data in read_safetensors(corpus / "taken/groups.qserve"):
        # One storage behind eight bytes of something else, one a parameter: as models have them.
        ahead = 8 if name == "l.s1_scales" else 0
        kind = Parameter if name == "l.qweight" else Tensor
        storage = Storage(dtype, b"\xff" * ahead + data)
        state[name] = kind(storage, shape, ahead // storage.width)
    state._metadata = collections.OrderedDict({"": {"version": 1}, "l": {"scale": 0.5, "big": 2**40, "low": -2}})
    save(corpus / "taken/groups.pt", state)
    square = Storage("U8", bytes(range(16)))
    save(corpus / "refused/transposed.pt", {"x": Tensor(square, (4, 4), strides=(1, 4))})
    save(corpus / "refused/beyond-storage.pt", {"x": Tensor(square, (4, 4), offset=1)})
    save(corpus / "refused/compressed.pt", {"x": Tensor(square, (4, 4))}, zipfile.ZIP_DEFLATED)
    save(corpus / "refused/big-endian.pt", {"x": Tensor(square, (4, 4))}, byteorder="big")
    save(corpus / "refused/list.pt", [Tensor(square, (4, 4))])
    save(corpus / "refused/code.pt", {"x": Command()})


main()
