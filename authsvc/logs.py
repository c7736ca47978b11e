"""Structured logs: JSON for machines, aligned columns for people, and no secrets in either."""

from __future__ import annotations

import logging
import re
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from authsvc.config_values import LogFormat, LogLevel

# Nothing logs credentials on purpose. This is the net below: keys, refresh tokens, whatever looks
# like a JWT, passwords in URLs, and what an Authorization header brings. What stands before the
# last two is kept, so that the line still says which database or header it is about.
_SECRET: Final = re.compile(
    r"orch_[0-9a-fA-F]{40}|orchrt_[0-9a-f]{64}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|(?i:(?P<url>\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@\"']{0,64}:)[^\s@\"']{1,512}(?=@))"
    r"|(?i:(?P<header>\bauthorization[\"'\\]{0,2}\s?[:=,]\s?(?:b?[\"'\\]{1,2})?(?:(?:bearer|basic)\s)?)"
    r"[^\s\"',)\\]+)"
)
_REDACTED: Final = "[redacted]"


def configure_logs(level: LogLevel, log_format: LogFormat) -> None:
    """Set up logging for the process, to standard error."""
    console = log_format is LogFormat.CONSOLE or (
        log_format is LogFormat.AUTO and sys.stderr.isatty()
    )
    render: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=28)
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            drop_empty,
            structlog.processors.format_exc_info,
            redacting(render),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level.value),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What libraries have to say goes out the same way when it matters.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_RedactingFormatter("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def drop_empty(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leave out fields that have no value."""
    return {name: value for name, value in event.items() if value is not None}


def redacting(render: Processor) -> Processor:
    """Replace whatever looks like a credential in the finished line, however deep it stood."""

    def render_redacted(logger: WrappedLogger, method: str, event: EventDict) -> str:
        return _redacted(str(render(logger, method, event)))

    return render_redacted


def _redacted(line: str) -> str:
    return _SECRET.sub(_without_secret, line)


def _without_secret(match: re.Match[str]) -> str:
    return f"{match['url'] or match['header'] or ''}{_REDACTED}"


class _RedactingFormatter(logging.Formatter):
    """Replaces whatever looks like a credential in the lines of libraries, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return _redacted(super().format(record))
