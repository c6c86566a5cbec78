"""What pyproject.toml cannot say: the extension modules, and the folders that are packages.

The folders lie at the top of the repository so that the tree reads as the architecture; they are
installed below one name, so that site-packages gains only `stemline`. A folder inside one of them,
such as a family's, needs no line here.
"""

import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

BUNDLED = Path("build/bundled")
"""The small models as `make wheel` exported them; a wheel that is built without has none."""


class BuildPython(build_py):
    """Leave training out of the wheel, whose weights are shipped; put the exported models in."""

    def finalize_options(self) -> None:
        """Drop the packages that only an editable install has."""
        super().finalize_options()
        if not self.editable_mode:
            self.packages = [one for one in self.packages if "training" not in one.split(".")]

    def run(self) -> None:
        """Copy the exported models beside the code, where `serving/artifact_folders.py` looks."""
        super().run()
        if not self.editable_mode and BUNDLED.is_dir():
            target = Path(self.build_lib) / "stemline" / "bundled"
            shutil.copytree(BUNDLED, target, dirs_exist_ok=True)


FOLDERS = (
    "band",
    "bench",
    "engines",
    "evaluation",
    "export",
    "families",
    "postprocessing",
    "preprocessing",
    "serving",
    "training",
)
PROTO = "serving/protos/stemline/v1"


def packages() -> list[str]:
    """Every folder with an `__init__.py`, as it is imported."""
    found = [
        f"stemline.{init.parent.as_posix().replace('/', '.')}"
        for folder in FOLDERS
        for init in sorted(Path(folder).rglob("__init__.py"))
        if "protos" not in init.parts
    ]
    return ["stemline", "stemline.v1", *found]


# No -march: the wheel must run on any processor of its kind, and the kernels look for vector
# instructions when they are called. No -ffast-math: sums keep their order.
FLAGS = ["-O3"]

setup(
    cmdclass={"build_py": BuildPython},
    packages=packages(),
    package_dir={
        "stemline": "stemline",
        "stemline.v1": PROTO,
        **{f"stemline.{folder}": folder for folder in FOLDERS},
    },
    package_data={"": ["py.typed", "*.pyi", "*.proto", "weights/*"]},
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
