"""How a service keeps the garbage collector from looking again and again through what stays for ever."""

from __future__ import annotations

import gc


def leave_alone_what_stays() -> None:
    """Take all objects that there are now out of the collector's rounds; to be called when all is loaded.

    Modules, schemas and compiled functions are hundreds of thousands of objects that live as long as the process: going
    through them cost a data-plane service a twelfth of its event loop's time.
    """
    gc.collect()
    gc.freeze()
