"""Whether this machine can run the kernels, and how wide its registers are."""

from importlib.util import find_spec

from lenet.errors import how_to_install


def register_lanes() -> int:
    """Return how many float32 values a vector register holds: 16, 8, or 0 without AVX2."""
    from llvmlite import binding
    from numba import config

    if config.CPU_FEATURES is None:
        avx = bool(config.ENABLE_AVX)  # NUMBA_ENABLE_AVX=0 has all of it left out
        host = binding.get_host_cpu_features().items()
        features = {name for name, has in host if has and (avx or not name.startswith("avx"))}
    else:  # NUMBA_CPU_FEATURES overrides what the processor says of itself
        features = {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    if "avx512f" in features:
        return 16
    return 8 if {"avx2", "fma"} <= features else 0


def missing() -> str | None:
    """Return what this machine lacks to run the kernels, e.g. ``the package numba``, or None."""
    if find_spec("numba") is None:
        return f"the package numba: {how_to_install('fast')}"
    try:
        lanes = register_lanes()
    except ImportError as error:  # as where NumPy is newer than Numba knows
        return f"a Numba that can be imported ({error})"
    return None if lanes else "a processor with AVX2 or AVX-512"
