import os
import signal
import subprocess
import sys

import pytest

from lenet.cli.signals import stop_on_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

SLEEP = (
    "import os, signal, time; from lenet.cli.signals import stop_on_signals\n"
    "with stop_on_signals() as stop:\n"
    "    print('ready', flush=True)\n"
    "    while True: time.sleep(0.01)\n"
)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted(
    number: int, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
    assert (stop.signal, stop.exit_code) == (number, code)
    assert "stopping after this step to save" in capfd.readouterr().err
    assert signal.getsignal(number) == before


def test_the_second_signal_ends_the_process_at_once() -> None:
    command = [sys.executable, "-c", SLEEP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        process.stderr.readline()
        assert b"press Ctrl-C again to quit immediately" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not stop()
    finally:
        signal.signal(signal.SIGTERM, before)
