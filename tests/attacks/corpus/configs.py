"""Configurations that could do harm, each named by the attack."""

GOOD = {
    "audio": {
        "chunk_size": 7936, "dim_f": 256, "dim_t": 32, "hop_length": 256, "n_fft": 512,
        "num_channels": 2, "sample_rate": 44100,
    },
    "model": {
        "act": "gelu", "bottleneck_factor": 2, "growth": 8, "norm": "InstanceNorm",
        "num_blocks_per_scale": 1, "num_channels": 8, "num_scales": 1, "num_subbands": 4,
        "scale": [2, 2],
    },
    "training": {"instruments": ["vocals", "instrumental"], "target_instrument": None},
    "inference": {"batch_size": 1, "dim_t": 32, "num_overlap": 8},
}  # fmt: skip
"""What JSON and YAML write alike."""
BAG = {"models": ["955717e8"], "weights": [[1.0, 0.5]], "segment": 7.8}

HOSTILE = {
    "laughs": "a: &a [x, x]\n"
    + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    ),
    "deep": "[" * 100_000,
    "deep_maps": "{a: " * 5000,
    "python_object": "audio: !!python/object/apply:os.system ['true']\n",
    "endless_number": "audio: {n_fft: " + "9" * 100_000 + "}\n",
    "endless_hex": "models: [0x" + "f" * 500_000 + "]\n",
    "sexagesimal": "models: [" + ":".join(["59"] * 20_000) + "]\n",
    "not_a_date": "models: 2026-99-99\n",
    "unhashable_key": "{[a]: b, {c: d}: e}\n",
    "no_text": "models: \x00\n",
    "merge_of_itself": "a: &a\n  <<: *a\n",
    "infinite": "models: ['955717e8']\nweights: [[.inf, .nan]]\nsegment: .inf\n",
    "tuple_as_key": "!!python/tuple [a, [b]]: c\n",
}
