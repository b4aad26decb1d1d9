from rich.console import Console

from gifdesc.checks.findings import Finding
from gifdesc.checks.gifs import Inspection
from gifdesc.cli.progress import CheckProgress


def test_progress_is_a_line_now_and_then_without_a_terminal(monkeypatch, capsys):
    clock = iter([0.0, 5.0, 11.0, 12.0])
    monkeypatch.setattr("gifdesc.cli.progress.time.monotonic", lambda: next(clock, 12.0))
    finding = Finding(path="a", kind="still", detail="one frame")
    with CheckProgress(Console(stderr=True, force_terminal=False)) as progress:
        for findings in ([], [finding], []):
            progress.advance(Inspection(is_gif=True, findings=findings))
    assert progress.num_gifs == 3
    assert capsys.readouterr().err == "2 GIFs checked, findings: 1\n"
