"""Export music-audio networks to verified ONNX engines and run or serve them."""
