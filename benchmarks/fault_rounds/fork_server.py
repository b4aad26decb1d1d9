"""Start `gifdesc` in processes that have imported its libraries already.

The start of PyTorch and transformers takes most of a small command's time. This server imports
them once and forks a process per request, which runs gifdesc's own `main` with a group, streams
and an environment of its own. It ends as Python ends a process (threads, functions of `atexit`,
streams), but does not free every object of the libraries, which would take seconds. Requests and
answers are lines of JSON:

    {"start": ARGUMENTS, "environment": CHANGES, "out": PATH, "err": PATH} -> {"pid": PID}
    {"poll": PID} -> {"code": EXIT CODE, or null while it runs}

A request with a "script" in place of gifdesc runs that file.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import random
import runpy
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import sitecustomize  # hooks/
import torch  # noqa: F401
import torchvision  # noqa: F401
import transformers

import gifdesc


def main() -> None:
    """Answer requests until stdin ends."""
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    _redirect(0, os.devnull)
    _redirect(1, os.devnull)
    _import_all()
    gc.freeze()  # collections of a child need not visit, and so copy, what it shares
    threads = Path("/proc/self/task")
    for line in requests:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = {"code": os.waitstatus_to_exitcode(status) if pid else None}
        else:
            if len(list(threads.iterdir())) > 1:  # a fork would lose them, and keep their locks
                raise RuntimeError("a library has started threads")
            pid = os.fork()
            if not pid:
                requests.close()
                answers.close()
                _end(_code_of(request))
            answer = {"pid": pid}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _import_all() -> None:
    """Import what the commands import: they then find it in memory."""
    for module in pkgutil.walk_packages(gifdesc.__path__, "gifdesc."):
        if not module.name.startswith(("gifdesc.engines.ray", "gifdesc.features.encoder_openvino")):
            importlib.import_module(module.name)
    for name in ("matplotlib.pyplot", "matplotlib.backends.backend_agg", "rich.progress"):
        importlib.import_module(name)
    for name in ("BertTokenizer", "AutoProcessor", "AutoModelForImageTextToText", "GitForCausalLM"):
        getattr(transformers, name)


def _code_of(request: dict[str, Any]) -> int:
    """The exit code of a request's command, as Python finds it."""
    try:
        run(request)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # as Python itself
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End this process as Python does, but for the memory that it shares."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def run(request: dict[str, Any]) -> None:
    """Become the process of a request, and run its command."""
    os.setsid()
    _redirect(1, request["out"])
    _redirect(2, request["err"])
    os.environ.update(request["environment"])
    random.seed()  # as in a process of its own
    np.random.seed()
    sitecustomize.install()
    sys.argv = [request["script"] or "gifdesc", *request["start"]]
    if request["script"]:
        runpy.run_path(request["script"], run_name="__main__")
        return
    program = importlib.import_module("gifdesc.__main__")
    sys.modules["__main__"] = program  # worker processes import what `python -m gifdesc` has
    program.main()


def _redirect(descriptor: int, path: str) -> None:
    opened = os.open(path, os.O_RDWR | os.O_CREAT)
    os.dup2(opened, descriptor)
    os.close(opened)


if __name__ == "__main__":
    main()
