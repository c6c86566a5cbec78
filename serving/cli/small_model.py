"""What is said where no model was named and `mini` is what there is."""

from ..library import BEST_MODEL, SMALL_MODEL
from .report import say


def tell_of_small_model(named: str, used: str) -> None:
    """Say on standard error what `mini` is, if it is `used` and was not `named`."""
    if not named and used == SMALL_MODEL:
        say(
            f"{SMALL_MODEL} is a small model, trained on synthetic music only; official models "
            f"separate real music far better: stemline export {BEST_MODEL}, then -m {BEST_MODEL}"
        )
