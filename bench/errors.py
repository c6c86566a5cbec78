"""What stops a measurement."""


class BenchError(RuntimeError):
    """A measurement could not be made, or the process that made it died.

    `exit_code` is the command's: 1 when it went wrong, 3 when something is missing.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
