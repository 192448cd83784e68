"""The bundle format and its runtime: decode, check, predict. Light: numpy and onnxruntime only."""
