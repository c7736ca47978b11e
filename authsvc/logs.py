"""Structured logs: JSON for machines, aligned columns for people, and no secrets in either.

Libraries log through `logging`; their lines, warnings and tracebacks look like our own.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from authsvc.config_values import LogFormat, LogLevel
from authsvc.redaction import exporter_secrets, redaction

_FIRST_FIELDS: Final = ("timestamp", "level", "event")
_GRPC: Final = "grpc._cython.cygrpc"


def configure_logs(
    level: LogLevel,
    log_format: LogFormat,
    *,
    secrets: Sequence[str] = (),
    worker: str | None = None,
) -> None:
    """Set up logging for the process, to standard error.

    Args:
        level: The least severe lines to write. Libraries write warnings and errors only.
        log_format: How lines look.
        secrets: What is redacted besides whatever looks like a credential, and besides the headers
            that the environment has for OpenTelemetry.
        worker: The number of this worker, where there are several; every line has it.
    """
    console = log_format is LogFormat.CONSOLE or (
        log_format is LogFormat.AUTO and sys.stderr.isatty()
    )
    render: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=28,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        in_order(None if worker is None else int(worker)),
    ]
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        redacting(render, redaction([*secrets, *exporter_secrets(os.environ)])),
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level.value),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(is_told)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(capture=True)


def log_crashes() -> None:
    """Log what ends the process or a thread of it, where Python would print a bare traceback."""
    log = structlog.get_logger()

    def on_crash(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            log.critical("crashed", exc_info=error)
        else:
            sys.__excepthook__(kind, error, traceback)

    def on_thread_crash(crash: threading.ExceptHookArgs) -> None:
        name = crash.thread.name if crash.thread else None
        log.error("thread crashed", thread=name, exc_info=crash.exc_value)

    def on_unraisable(crash: sys.UnraisableHookArgs) -> None:
        log.error("error ignored", where=crash.err_msg, exc_info=crash.exc_value)

    sys.excepthook = on_crash
    threading.excepthook = on_thread_crash
    sys.unraisablehook = on_unraisable


def is_told(record: logging.LogRecord) -> bool:
    """Return whether a line of a library is written.

    grpc.aio tells of metadata that is no UTF-8, with a traceback and the metadata itself: whoever
    sends some could fill the log, and what is quoted may be almost a credential.
    """
    return not (record.name == _GRPC and str(record.msg).startswith("Invalid encoding on "))


def in_order(worker: int | None = None) -> Processor:
    """Put what every line has first, and leave out fields that have no value."""

    def ordered(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        first = {name: event.pop(name) for name in _FIRST_FIELDS if name in event}
        rest = {name: value for name, value in event.items() if value is not None}
        last = {} if worker is None else {"worker": worker}
        return {**first, **rest, **last}

    return ordered


def redacting(render: Processor, redacted: Callable[[str], str]) -> Processor:
    """Replace whatever looks like a credential in the finished line, however deep it stood."""

    def render_redacted(logger: WrappedLogger, method: str, event: EventDict) -> str:
        return redacted(str(render(logger, method, event)))

    return render_redacted
