# SPDX-License-Identifier: BSD-3-Clause
"""``bfkernel_config.py``: where it is, what it says, and a new one with everything in it."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from traitlets.config.loader import Config, PyFileConfigLoader

from bfkernel.remote.agent.options import AgentOptions
from bfkernel.remote.options import Options, ServerOptions
from bfkernel.remote.pool.dashboard.options import DashboardOptions
from bfkernel.remote.pool.options import PoolOptions
from bfkernel.remote.state_dir import ConfigurationError, default_state_dir

FILE_NAME = "bfkernel_config.py"
CLASSES: tuple[type[Options], ...] = (ServerOptions, PoolOptions, DashboardOptions, AgentOptions)

_HEADER = """\
# What 'bfkernel pool', 'agent' and 'serve' do unless their command line says otherwise.
# It is Python. Take the '#' from the lines that you change; the values shown are the defaults.
# A name that ends in _s is a number of seconds, or a duration in words: "60s", "30min", "2h", "1d".

c = get_config()  # noqa: F821

"""


def find(named: Path | None, state_dir: Path | None) -> Path | None:
    """Return the file to read: the one that is named, else the working folder's, else the state folder's.

    Raises:
        ConfigurationError: the named one is not there.
    """
    if named is not None:
        if not named.is_file():
            msg = f"There is no configuration file {named}: 'bfkernel pool --generate-config' writes one."
            raise ConfigurationError(msg)
        return named.resolve()
    folders = (Path.cwd(), state_dir or default_state_dir())
    return next((folder / FILE_NAME for folder in folders if (folder / FILE_NAME).is_file()), None)


def read(path: Path) -> Config:
    """Run the file and return what it sets, every name and value of which is known to be good.

    Raises:
        ConfigurationError: it is no Python, or it sets what there is not; the message names file and option.
    """
    try:
        config: Config = PyFileConfigLoader(path.name, str(path.parent)).load_config()
    except Exception as error:
        msg = f"{path} cannot be read: {type(error).__name__}: {error}{_line_in(path, error)}."
        raise ConfigurationError(msg) from error
    try:
        _check_names(config)
        for owner in CLASSES:
            owner(config=config)
    except ConfigurationError as error:
        msg = f"{path}: {error}"
        raise ConfigurationError(msg) from error
    return config


def generate(path: Path) -> None:
    """Write a file with every option, its help and its default; none of it is in force.

    Raises:
        ConfigurationError: there is a file already, or it cannot be written.
    """
    sections = (owner.class_config_section(list(CLASSES)) for owner in CLASSES)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_HEADER + "\n".join(sections))
    except FileExistsError as error:
        msg = f"{path} exists already: move it away, or name another file with --config."
        raise ConfigurationError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}."
        raise ConfigurationError(msg) from error


def _check_names(config: Config) -> None:
    known: dict[str, Any] = {owner.__name__: owner.option_traits() for owner in CLASSES}
    for section, options in config.items():
        if section not in known:
            msg = f"there is no section c.{section}{_meant(section, known)}."
            raise ConfigurationError(msg)
        for name in options:
            if name not in known[section]:
                msg = f"{section} has no option '{name}'{_meant(name, known[section])}."
                raise ConfigurationError(msg)


def _meant(word: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; {close[0]} is meant" if close else f": write one of {', '.join(known)}"


def _line_in(path: Path, error: BaseException) -> str:
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""
