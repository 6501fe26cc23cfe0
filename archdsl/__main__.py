"""`python -m archdsl`, and the command `archdsl`."""

from __future__ import annotations


def run() -> int:
    """Run the command line. An interruption ends it without a traceback, however early it comes."""
    try:
        from archdsl.cli.main import main

        return main()
    except KeyboardInterrupt:
        # before the command line was there to say so
        return 130


if __name__ == "__main__":
    raise SystemExit(run())
