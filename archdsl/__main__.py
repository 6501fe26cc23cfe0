"""`python -m archdsl`."""

from __future__ import annotations

from archdsl.cli.main import main

raise SystemExit(main())
