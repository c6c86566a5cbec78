"""The ONNX graph of All-In-One, written node by node."""
