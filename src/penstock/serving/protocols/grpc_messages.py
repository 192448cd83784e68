"""The messages of the Open Inference Protocol over gRPC, made from a table, so that no generated code has to keep in step with protobuf.

Source: https://github.com/kserve/open-inference-protocol, `specification/protocol/open_inference_grpc.proto`; the
messages of the model repository are Triton's extension, https://github.com/triton-inference-server/common, `protobuf/grpc_service.proto`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

# Message -> its fields: name, number, type; "*" before a type says repeated, "map:" a map from text, "." a message of this file.
_MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": (("live", 1, "bool"),),
    "ServerReadyRequest": (),
    "ServerReadyResponse": (("ready", 1, "bool"),),
    "ModelReadyRequest": (("name", 1, "string"), ("version", 2, "string")),
    "ModelReadyResponse": (("ready", 1, "bool"),),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": (("name", 1, "string"), ("version", 2, "string"), ("extensions", 3, "*string")),
    "ModelMetadataRequest": (("name", 1, "string"), ("version", 2, "string")),
    "ModelMetadataResponse": (
        ("name", 1, "string"),
        ("versions", 2, "*string"),
        ("platform", 3, "string"),
        ("inputs", 4, "*.ModelMetadataResponse.TensorMetadata"),
        ("outputs", 5, "*.ModelMetadataResponse.TensorMetadata"),
    ),
    "ModelMetadataResponse.TensorMetadata": (("name", 1, "string"), ("datatype", 2, "string"), ("shape", 3, "*int64")),
    "InferParameter": (("bool_param", 1, "bool"), ("int64_param", 2, "int64"), ("string_param", 3, "string")),
    "InferTensorContents": (
        ("bool_contents", 1, "*bool"),
        ("int_contents", 2, "*int32"),
        ("int64_contents", 3, "*int64"),
        ("uint_contents", 4, "*uint32"),
        ("uint64_contents", 5, "*uint64"),
        ("fp32_contents", 6, "*float"),
        ("fp64_contents", 7, "*double"),
        ("bytes_contents", 8, "*bytes"),
    ),
    "ModelInferRequest": (
        ("model_name", 1, "string"),
        ("model_version", 2, "string"),
        ("id", 3, "string"),
        ("parameters", 4, "map:.InferParameter"),
        ("inputs", 5, "*.ModelInferRequest.InferInputTensor"),
        ("outputs", 6, "*.ModelInferRequest.InferRequestedOutputTensor"),
        ("raw_input_contents", 7, "*bytes"),
    ),
    "ModelInferRequest.InferInputTensor": (
        ("name", 1, "string"),
        ("datatype", 2, "string"),
        ("shape", 3, "*int64"),
        ("parameters", 4, "map:.InferParameter"),
        ("contents", 5, ".InferTensorContents"),
    ),
    "ModelInferRequest.InferRequestedOutputTensor": (("name", 1, "string"), ("parameters", 2, "map:.InferParameter")),
    "ModelInferResponse": (
        ("model_name", 1, "string"),
        ("model_version", 2, "string"),
        ("id", 3, "string"),
        ("parameters", 4, "map:.InferParameter"),
        ("outputs", 5, "*.ModelInferResponse.InferOutputTensor"),
        ("raw_output_contents", 6, "*bytes"),
    ),
    "ModelInferResponse.InferOutputTensor": (
        ("name", 1, "string"),
        ("datatype", 2, "string"),
        ("shape", 3, "*int64"),
        ("parameters", 4, "map:.InferParameter"),
        ("contents", 5, ".InferTensorContents"),
    ),
    "ModelRepositoryParameter": (
        ("bool_param", 1, "bool"),
        ("int64_param", 2, "int64"),
        ("string_param", 3, "string"),
        ("bytes_param", 4, "bytes"),
    ),
    "RepositoryIndexRequest": (("repository_name", 1, "string"), ("ready", 2, "bool")),
    "RepositoryIndexResponse": (("models", 1, "*.RepositoryIndexResponse.ModelIndex"),),
    "RepositoryIndexResponse.ModelIndex": (
        ("name", 1, "string"),
        ("version", 2, "string"),
        ("state", 3, "string"),
        ("reason", 4, "string"),
    ),
    "RepositoryModelLoadRequest": (
        ("repository_name", 1, "string"),
        ("model_name", 2, "string"),
        ("parameters", 3, "map:.ModelRepositoryParameter"),
    ),
    "RepositoryModelLoadResponse": (),
    "RepositoryModelUnloadRequest": (
        ("repository_name", 1, "string"),
        ("model_name", 2, "string"),
        ("parameters", 3, "map:.ModelRepositoryParameter"),
    ),
    "RepositoryModelUnloadResponse": (),
}
_ONE_OF = {"InferParameter": "parameter_choice", "ModelRepositoryParameter": "parameter_choice"}

METHODS = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "RepositoryIndex",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
)
"""Each takes a message ``<Name>Request`` and gives ``<Name>Response``."""


@cache
def message(name: str) -> Any:
    """The class of a message."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

    file = FileDescriptorProto(name="open_inference.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, Any] = {}
    for name, fields in _MESSAGES.items():
        outer, _, inner = name.partition(".")
        made[name] = made[outer].nested_type.add(name=inner) if inner else file.message_type.add(name=name)
        if name in _ONE_OF:
            made[name].oneof_decl.add(name=_ONE_OF[name])
        for field, number, kind in fields:
            _add_field(made[name], name, field, number, kind)
    pool = DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(owner: Any, owner_name: str, name: str, number: int, kind: str) -> None:
    field = owner.field.add(name=name, number=number)
    repeated = kind.startswith(("*", "map:"))
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if owner_name in _ONE_OF:
        field.oneof_index = 0
    kind = kind.removeprefix("*")
    if kind.startswith("map:"):
        entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
        entry = owner.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        _add_field(entry, "", "key", 1, "string")
        _add_field(entry, "", "value", 2, kind.removeprefix("map:"))
        kind = f".{owner_name}.{entry_name}"
    if kind.startswith("."):
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
