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
