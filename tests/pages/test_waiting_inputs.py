"""Inputs that wait for their captions."""

from gifdesc.gif.sources import CaptionInput
from gifdesc.pages.waiting_inputs import WaitingInputs


def test_inputs_are_taken_in_their_order():
    waiting = WaitingInputs()
    for name in "ab":
        waiting.add(CaptionInput(name))
    for expected in ("a", "b"):
        with waiting.take() as source:
            assert source.name == expected
    with waiting.take() as source:
        assert source is None


def test_if_many_inputs_wait_bytes_go_to_disk_and_are_removed_when_taken(monkeypatch, tmp_path):
    monkeypatch.setattr("gifdesc.pages.waiting_inputs._MOST_IN_MEMORY", 2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    waiting = WaitingInputs()
    own = tmp_path / "own"
    own.touch()
    for data in (b"1", b"2", b"3", own, b"5"):
        waiting.add(CaptionInput("https://example.org/x.gif", data))
    found = []
    while len(waiting):
        with waiting.take() as source:
            data = source.data
            found.append(data.read_bytes() if data not in (b"1", b"2") else data)
    assert found == [b"1", b"2", b"3", b"", b"5"]
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert list(folder.iterdir()) == []
    assert own.is_file()
