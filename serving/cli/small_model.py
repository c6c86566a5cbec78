"""What is said where no model was named and `mini` is what there is."""

from ..default_model import best_model, small_model
from .report import say


def tell_of_small_model(
    named: str, used: str, *, command: str = "stemline", options: str = ""
) -> None:
    """Say on standard error what `mini` is, if it is `used` and was not `named`.

    `command` is how stemline is called here, `options` what must follow the export's own.
    """
    small, best = small_model("separate"), best_model("separate")
    if not named and used == small:
        say(
            f"{small} is a small model, trained on synthetic music only; official models "
            f"separate real music far better: {command} export {best}{options}, then "
            f"-m {best}"
        )
