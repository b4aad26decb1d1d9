"""Signals that wait for a good moment."""

import importlib
import os
import signal
import threading

import pytest

from gifdesc.system.signals import (
    Interrupted,
    StoppedAtOnce,
    StopRequest,
    holding_signals,
    ignore_signals,
)

BOTH = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_only_raises_a_flag(number):
    with holding_signals() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal_number == number


@pytest.mark.parametrize("number", BOTH)
def test_a_second_signal_interrupts_at_once(number):
    with holding_signals() as stop:
        os.kill(os.getpid(), number)
        with pytest.raises(StoppedAtOnce):
            os.kill(os.getpid(), number)
    assert stop.signal_number == number


def test_a_second_signal_inside_an_import_ends_no_program_of_others(tmp_path, monkeypatch):
    """Only a process that gifdesc itself runs may be ended."""
    (tmp_path / "twice.py").write_text(
        "import os, signal\nos.kill(os.getpid(), 2)\nos.kill(os.getpid(), 2)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with holding_signals(), pytest.raises(StoppedAtOnce):
        importlib.import_module("twice")


def test_signal_handlers_are_restored():
    before = [signal.getsignal(number) for number in BOTH]

    def fail():
        with holding_signals():
            assert [signal.getsignal(number) for number in BOTH] != before
            raise RuntimeError("whatever")

    with pytest.raises(RuntimeError, match="whatever"):
        fail()
    assert [signal.getsignal(number) for number in BOTH] == before


def test_outside_the_main_thread_nothing_is_changed():
    before = [signal.getsignal(number) for number in BOTH]
    seen = []

    def hold():
        with holding_signals() as stop:
            seen.append(([signal.getsignal(number) for number in BOTH], bool(stop)))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert seen == [(before, False)]


def test_an_unset_flag_has_no_signal():
    stop = StopRequest()
    assert (bool(stop), stop.signal_number) == (False, None)


def test_an_interrupted_run_is_an_interrupt_with_a_message_and_a_signal():
    interrupt = Interrupted("stopped: epoch 1 is done", signal.SIGTERM)
    assert isinstance(interrupt, KeyboardInterrupt)
    assert str(interrupt) == "stopped: epoch 1 is done"
    assert interrupt.signal_number == signal.SIGTERM
    assert Interrupted("").signal_number == signal.SIGINT


@pytest.mark.parametrize("number", BOTH)
def test_a_process_that_is_ending_ignores_signals(number):
    before = {number: signal.getsignal(number) for number in BOTH}
    try:
        ignore_signals()
        os.kill(os.getpid(), number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        for other, handler in before.items():
            signal.signal(other, handler)
