"""float32: the graph as it is exported, and what every other precision is measured against."""

from stemline.engines.artifact import DEFAULT_PRECISION

from .precision import Budget, Precision

PRECISION = Precision(
    name=DEFAULT_PRECISION,
    budgets={
        # Two float32 runtimes that add in different orders agree to 80 to 110 dB on these networks.
        "separate": Budget(snr_db=70.0),
        "beats": Budget(snr_db=80.0, beat_agreement=0.99),
    },
)
