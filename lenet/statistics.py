"""What an error count is worth: intervals, means over seeds, and tests between networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean, stdev

from lenet.errors import count

Z_95 = NormalDist().inv_cdf(0.975)


def wilson_interval(errors: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Return Wilson's score interval of an error count, as counts out of `n`.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    1927.

    Raises:
        ValueError: `errors` is not between 0 and `n`, or `n` is 0.
    """
    if not 0 <= errors <= n or n == 0:
        raise ValueError(f"{errors} errors of {n} images")
    p = errors / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = n / (1 + z * z / n)
    # At the ends rounding may leave the interval a hair short of 0 or n.
    low = 0.0 if errors == 0 else (centre - half) * scale
    high = float(n) if errors == n else (centre + half) * scale
    return low, high


def describe_accuracy(errors: float, n: int) -> str:
    """Write the accuracy as ``99.18 %``."""
    return f"{100 * (n - errors) / n:.2f} %"


def describe_errors(errors: int, n: int) -> str:
    """Write a count as ``82 errors / 10,000 (accuracy 99.18 %, 95 % CI 66–102 errors)``."""
    low, high = wilson_interval(errors, n)
    return (
        f"{count(errors, 'error')} / {n:,} (accuracy {describe_accuracy(errors, n)},"
        f" 95 % CI {low:,.0f}–{high:,.0f} errors)"
    )


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation of a number over seeds."""

    mean: float
    sd: float | None
    """None for a single value."""
    n: int

    def __str__(self) -> str:
        return f"{self:.1f} (n = {self.n})"

    def __format__(self, spec: str) -> str:
        """Return mean ± sd, each in the format `spec` with commas between thousands.

        Without a `spec`, what `str` returns.
        """
        if not spec:
            return str(self)
        spread = "" if self.sd is None else f" ± {self.sd:,{spec}}"
        return f"{self.mean:,{spec}}{spread}"


def summarize(values: Sequence[float]) -> Summary:
    """Return mean and sample standard deviation; `values` must not be empty."""
    return Summary(mean(values), stdev(values) if len(values) > 1 else None, len(values))


def describe_mean(errors: Summary) -> str:
    """Write counts over seeds as ``41.4 ± 2.9``, and that of one seed as ``36``."""
    return f"{errors:.0f}" if errors.n == 1 else f"{errors:.1f}"


def describe_mean_errors(errors: Summary, n: int) -> str:
    """Write counts over seeds as ``41.4 ± 2.9 errors / 10,000 (accuracy 99.59 %, 5 seeds)``."""
    accuracy = f"accuracy {describe_accuracy(errors.mean, n)}"
    return f"{describe_mean(errors)} errors / {n:,} ({accuracy}, {count(errors.n, 'seed')})"


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p of McNemar's exact test between two classifiers on the same images.

    Args:
        only_first: Images that only the first gets wrong.
        only_second: Images that only the second gets wrong.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions", 1947; the exact form is a sign test on the disagreements.
    """
    n = only_first + only_second
    if n == 0:
        return 1.0
    ways = tail = 1  # of choosing none of n
    for k in range(min(only_first, only_second)):
        ways = ways * (n - k) // (k + 1)  # of choosing k + 1
        tail += ways
    return min(1.0, float(2 * tail / 2**n))
