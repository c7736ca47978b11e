"""Where the log lines of a command go that works on the database itself."""

from __future__ import annotations

from authsvc.config import Settings
from authsvc.logs import configure_logs


def log_as_set(settings: Settings, *, worker: str | None = None) -> None:
    """Log to standard error, as the settings say: standard output is the command's answer.

    Args:
        settings: They also have the secrets that no line may show.
        worker: The number of this worker, where there are several.
    """
    configure_logs(
        settings.log_level,
        settings.log_format,
        secrets=settings.encryption_key_texts,
        worker=worker,
    )
