"""One check of one field, for everything that is built from numbers and names that others wrote."""

from .errors import ConfigError


def require(
    fits: bool,
    name: str,
    complaint: str,
    error: type[Exception] = ConfigError,
    *,
    separator: str = ": ",
) -> None:
    """Raise `error` with the field's name and the complaint, unless `fits`."""
    if not fits:
        raise error(f"{name}{separator}{complaint}")
