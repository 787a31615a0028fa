# SPDX-License-Identifier: BSD-3-Clause
"""Options as traits: name, default and help stand in one place, and are used by all who show or read them.

The command line makes its options of them, ``bfkernel_config.py`` sets them, the reference lists them. The
name of a number ends in its unit (``lease_ttl_s``); in words (``"30min"``, ``"8GiB"``) it may have another.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from traitlets import Enum, HasTraits, TraitError, TraitType, default
from traitlets.config import Configurable

from bfkernel.remote.logs import FORMATS
from bfkernel.remote.state_dir import ConfigurationError, default_state_dir
from bfkernel.remote.units import format_duration, parse_duration, parse_size_mib

Self = TypeVar("Self", bound="Options")


class Duration(TraitType[float, "float | str"]):
    """Seconds, also in words: ``60``, ``"60s"``, ``"30min"``."""

    def __init__(self, default_value: Any, *, at_least_s: float = 0.0, at_most_s: float, **more: Any) -> None:
        super().__init__(default_value, **more)
        self._range_s = at_least_s, at_most_s

    def info(self) -> str:
        """Say what is wanted; for error messages."""
        least, most = (format_duration(s) if s >= 1 else f"{s:g} s" for s in self._range_s)
        return f"a duration from {least} to {most}, such as '60s' or '30min'"

    def validate(self, obj: HasTraits, value: Any) -> float:
        """Return the seconds; traitlets calls this for each value."""
        seconds = _read(parse_duration, value)
        if not _is_number(seconds) or not self._range_s[0] <= seconds <= self._range_s[1]:
            self.error(obj, value)
        return float(seconds)

    def from_string(self, s: str) -> Any:
        """Return what a word on the command line means: it is read when it is validated."""
        return s


class MemoryMib(TraitType[int, "int | str"]):
    """MiB, also in words: ``2048``, ``"32GiB"``."""

    info_text = "an amount of memory, such as '32GiB', or a number of MiB"

    def validate(self, obj: HasTraits, value: Any) -> int:
        """Return the MiB; traitlets calls this for each value."""
        mib = _read(parse_size_mib, value)
        if not _is_number(mib) or mib < 1 or mib != int(mib):
            self.error(obj, value)
        return int(mib)


class FilePath(TraitType[Path, "Path | str"]):
    """A file or folder; ``~`` is the home folder."""

    info_text = "a path"

    def validate(self, obj: HasTraits, value: Any) -> Path:
        """Return the path; traitlets calls this for each value."""
        if not isinstance(value, (str, Path)) or not str(value):
            self.error(obj, value)
        return Path(value).expanduser()


class Options(Configurable):
    """Options of one part, from ``config`` and, before it, from keywords."""

    def __init__(self, config: Any = None, **given: Any) -> None:
        """Check and take them.

        Raises:
            ConfigurationError: a value is not what its option wants; the message names both.
            TypeError: there is no such option.
        """
        for name in given:
            if not self.has_trait(name):
                msg = f"{type(self).__name__} has no option '{name}'"
                raise TypeError(msg)
        try:
            super().__init__(config=config, **given)
        except TraitError as error:
            raise ConfigurationError(sentence(error)) from error

    def replaced(self: Self, **changes: Any) -> Self:
        """Return the same options with ``changes``."""
        values = {
            name: getattr(self, name) for name in self.trait_names() if name not in ("config", "parent")
        }
        return type(self)(**{**values, **changes})

    @classmethod
    def option_traits(cls) -> Mapping[str, TraitType[Any, Any]]:
        """Return the traits that a configuration may set, in the order in which they are written."""
        known = cls.class_traits(config=True)
        written = [name for base in reversed(cls.__mro__) for name in vars(base)]
        return {name: known[name] for name in dict.fromkeys(written) if name in known}


class ServerOptions(Options):
    """What pool and agent have in common."""

    state_dir = FilePath(
        "~/.local/state/bfkernel",
        help="""The folder of its state: database, keys, and bfkernel_config.py if it is there.

        Without a word it is in $XDG_STATE_HOME, where that is set.
        """,
    ).tag(config=True)

    log_format = Enum(
        FORMATS,
        "text",
        help="""How log lines on stderr look: text or json.

        The variable BFKERNEL_LOG (debug, info, warning, error) says how many there are.
        """,
    ).tag(config=True)

    @default("state_dir")
    def _state_dir(self) -> Path:
        return default_state_dir()


def sentence(error: TraitError) -> str:
    """Return traitlets' complaint as a sentence."""
    return f"{str(error).strip().rstrip('.')}."


def _read(parse: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
