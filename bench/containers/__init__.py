"""Audio files of every container, good and damaged, and FFmpeg's own decoding of them.

`making` encodes, `kinds` lists what is made, `faults` and `mutations` damage it, `decoding` is
FFmpeg's word for what it holds, `comparing` holds two decodings beside each other.
"""
