"""A static page that runs the very graph in a browser: our decoder in JavaScript, and onnxruntime-web."""
