"""What pyproject.toml cannot say: the extension modules."""

from setuptools import Extension, setup
from setuptools.command.build_py import build_py


class BuildPython(build_py):
    """Leave training out of the wheel: it is for developing, and what it made is shipped."""

    def finalize_options(self) -> None:
        """Drop the packages that only an editable install has."""
        super().finalize_options()
        if not self.editable_mode:
            self.packages = [one for one in self.packages if "training" not in one.split(".")]


# No -march: the wheel must run on any processor of its kind, and the kernels look for vector
# instructions when they are called. No -ffast-math: sums keep their order.
FLAGS = ["-O3"]

setup(
    cmdclass={"build_py": BuildPython},
    ext_modules=[
        Extension(
            "stemline.preprocessing._power",
            sources=["preprocessing/_power.pyx", "preprocessing/power_kernel.c"],
            depends=["preprocessing/power_kernel.h"],
            extra_compile_args=FLAGS,
            libraries=["m"],
        ),
        Extension(
            "stemline.postprocessing._viterbi",
            sources=["postprocessing/_viterbi.pyx", "postprocessing/viterbi_kernel.c"],
            depends=["postprocessing/viterbi_kernel.h", "postprocessing/viterbi_score.inc"],
            extra_compile_args=FLAGS,
        ),
    ],
)
