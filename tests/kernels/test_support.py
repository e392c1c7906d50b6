import pytest

from lenet.kernels import support


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "find_spec", lambda name: None)
    assert (
        support.missing()
        == "the package numba: `scripts/install fast` in the clone installs what it needs"
    )


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("+avx", "a processor with AVX2 or AVX-512"),
        ("+avx2,+fma,-avx512f", None),
        ("+avx512f", None),
    ],
)
def test_numbas_setting_hides_and_shows_registers(
    features: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    numba = pytest.importorskip("numba")
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    assert support.missing() == expected


def test_numbas_setting_that_leaves_avx_out_hides_registers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numba = pytest.importorskip("numba")
    binding = pytest.importorskip("llvmlite.binding")
    monkeypatch.setattr(numba.config, "CPU_FEATURES", None)
    features = {"avx2": True, "avx512f": True, "fma": True}
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(numba.config, "ENABLE_AVX", 1)
    assert support.register_lanes() == 16
    monkeypatch.setattr(numba.config, "ENABLE_AVX", 0)
    assert support.register_lanes() == 0
