"""Memory is asked for before it is taken: a request that is too large is refused with its size."""

from __future__ import annotations

import os
from pathlib import Path

from graphfuse.errors import InvalidOption, MemoryBudget

GB = 1e9
VARIABLE = "GRAPHFUSE_MEMORY_GB"
SHARE = 0.8  # of what is free: the rest is for what comes after
CGROUP = Path("/sys/fs/cgroup")
LIMITS = (  # (limit, in use) of version 2 and version 1
    (CGROUP / "memory.max", CGROUP / "memory.current"),
    (CGROUP / "memory/memory.limit_in_bytes", CGROUP / "memory/memory.usage_in_bytes"),
)


def check_memory(what: str, n_bytes: float, remedy: str, *, budget_gb: float | None = None) -> None:
    """Raise `MemoryBudget` if `what` would need more than the budget.

    Parameters
    ----------
    what : str
        What is asked for, for example "The dense adjacency of 20000 people".
    n_bytes : float
        Estimate of the peak it needs [bytes].
    remedy : str
        What to do instead, a sentence.
    budget_gb : float or None
        Budget [GB = 1e9 bytes]. None = the environment variable GRAPHFUSE_MEMORY_GB, else 80 % of what is free.
    """
    budget = memory_budget() if budget_gb is None else budget_gb * GB
    if n_bytes > budget:
        raise MemoryBudget(
            f"{what} needs about {_size(n_bytes)}; {_size(budget)} may be used. {remedy} "
            f"Or set {VARIABLE}, if there is more memory than that."
        )


def memory_budget() -> float:
    """Memory that may be used [bytes]: GRAPHFUSE_MEMORY_GB, else 80 % of what is free here."""
    asked = os.environ.get(VARIABLE)
    if asked is None:
        return SHARE * min([*_free_of_machine(), *_free_of_group()], default=float("inf"))
    try:
        return float(asked) * GB
    except ValueError:
        raise InvalidOption(f"{VARIABLE} must be a number of GB, such as 8; got {asked!r}.") from None


def _free_of_machine() -> list[float]:
    """What the machine can still give [bytes]; empty where the system does not say."""
    for line in _text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return [float(line.split()[1]) * 1024]
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    known = all(name in getattr(os, "sysconf_names", ()) for name in names)
    return [float(os.sysconf(names[0]) * os.sysconf(names[1]))] if known else []


def _free_of_group() -> list[float]:
    """What a container's limit leaves [bytes], one entry a limit that is set."""
    pairs = ((_text(limit).strip(), _text(used).strip()) for limit, used in LIMITS)
    return [float(limit) - float(used) for limit, used in pairs if limit.isdigit() and used.isdigit()]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _size(n_bytes: float) -> str:
    return f"{n_bytes / GB:.3g} GB"
