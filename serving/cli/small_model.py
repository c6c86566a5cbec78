"""What is said where no model was named and `mini` is what there is."""

from ..library import BEST_MODEL, SMALL_MODEL
from .report import say


def tell_of_small_model(
    named: str, used: str, *, command: str = "stemline", options: str = ""
) -> None:
    """Say on standard error what `mini` is, if it is `used` and was not `named`.

    `command` is how stemline is called here, `options` what must follow the export's own.
    """
    if not named and used == SMALL_MODEL:
        say(
            f"{SMALL_MODEL} is a small model, trained on synthetic music only; official models "
            f"separate real music far better: {command} export {BEST_MODEL}{options}, then "
            f"-m {BEST_MODEL}"
        )
