"""Whether this machine can run the kernels."""

from importlib.util import find_spec


def missing() -> str | None:
    """Return what this machine lacks to run the kernels, e.g. ``the package numba``, or None."""
    if find_spec("numba") is None:
        return "the package numba (pip install 'lenet[fast]')"
    from llvmlite import binding
    from numba import config

    if config.CPU_FEATURES is None:
        found = bool(binding.get_host_cpu_features().get("avx512f"))
    else:  # NUMBA_CPU_FEATURES overrides what the processor says of itself
        found = "+avx512f" in config.CPU_FEATURES.split(",")
    return None if found else "a processor with AVX-512"
