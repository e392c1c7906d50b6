import pytest

from lenet.kernels import support


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "find_spec", lambda name: None)
    assert (
        support.missing()
        == "the package numba: `scripts/install fast` in the clone installs what it needs"
    )


def test_a_numba_that_cannot_be_imported_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise ImportError("Numba needs an older NumPy")

    monkeypatch.setattr(support, "register_lanes", fail)
    assert support.missing() == "a Numba that can be imported (Numba needs an older NumPy)"


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
