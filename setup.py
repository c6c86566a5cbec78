"""What pyproject.toml cannot say: the extension module."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "stemline.postprocessing._viterbi",
            sources=["postprocessing/_viterbi.pyx", "postprocessing/viterbi_kernel.c"],
            depends=["postprocessing/viterbi_kernel.h", "postprocessing/viterbi_score.inc"],
            # No -march: the wheel must run on any processor of its kind, and the kernel looks
            # for vector instructions when it is called. No -ffast-math: sums keep their order.
            extra_compile_args=["-O3"],
        )
    ]
)
