"""A runtime of MLServer, which speaks the Open Inference Protocol. ``mlserver start FOLDER``, with the settings that compare.py writes."""

from graph import Graph
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Model(MLModel):
    """The graph."""

    async def load(self) -> bool:
        self.graph = Graph()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        found = self.graph.session.run(None, {"numbers": NumpyCodec.decode_input(payload.inputs[0]).astype("float32")})
        names = [output.name for output in self.graph.session.get_outputs()]
        wanted = [(n, v) for n, v in zip(names, found, strict=True) if n != "outside"]
        outputs = [NumpyCodec.encode_output(name, value) for name, value in wanted]
        return InferenceResponse(model_name=self.name, outputs=outputs)
