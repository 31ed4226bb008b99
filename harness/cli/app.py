"""What people type. Exit codes: 0 kept, 1 broken, 2 unknown, 3 could not run, 4 bad input, 130 Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.errors import HarnessError
from harness.plugin import BUDGET, REPORT, SEED

BAD_INPUT = 4
INTERRUPTED = 130
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""Click's UsageError, wherever this version of typer keeps its click."""

app = typer.Typer(
    name="stormproof",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Your service makes promises; Stormproof checks that they hold in a storm.",
    epilog="Exit codes: 0 all kept, 1 a promise is broken, 2 one is unknown, 3 a contract could run "
    "no trial, 4 bad input, 130 interrupted.",
)


class ClockChoice(StrEnum):
    """How the target's time passes."""

    AUTO = "auto"
    FROZEN = "frozen"
    REAL = "real"


class BackendChoice(StrEnum):
    """How targets are started."""

    PROCESS = "process"


Contracts = Annotated[
    list[Path], typer.Argument(metavar="CONTRACT...", help="contract files, as contract.yaml")
]


@app.command(
    epilog="Example: `stormproof verify contract.yaml --promise checkout-rate -n 2 --report out`"
)
def verify(  # noqa: PLR0917 (typer reads options from parameters)
    contracts: Contracts,
    promise: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="only this promise; may be repeated")
    ] = None,
    backend: Annotated[
        BackendChoice, typer.Option(help="how targets are started")
    ] = BackendChoice.PROCESS,
    workers: Annotated[
        int, typer.Option("-n", "--workers", min=1, max=64, help="worker processes")
    ] = 1,
    clock: Annotated[
        ClockChoice,
        typer.Option(help="hold the target's clock; auto falls back to real time with a note"),
    ] = ClockChoice.AUTO,
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="real time that one promise may take")
    ] = BUDGET,
    seed: Annotated[int, typer.Option(help="where plans are drawn from")] = SEED,
    report: Annotated[Path, typer.Option(metavar="DIR", help="folder of the run record")] = Path(
        REPORT
    ),
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="a host outside loopback that target.url may name"),
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="only the few trials that catch the coarsest defects")
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="begin nothing after the first broken promise")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="promises known to be broken until a day: reported, not failing"
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("-q", "--quiet", help="print only what is not kept, and the last line"),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print the run record as JSON, and nothing else")
    ] = False,
) -> int:
    """Verify all promises of one or several contracts."""
    from harness.cli.verify import Wanted, verify  # noqa: PLC0415

    return verify(
        Wanted(
            contracts=tuple(contracts),
            promises=tuple(promise or ()),
            backend=backend.value,
            workers=workers,
            clock=clock.value,
            budget=budget,
            seed=seed,
            report=report,
            allow=tuple(allow or ()),
            smoke=smoke,
            fail_fast=fail_fast,
            baseline=baseline,
            quiet=quiet,
            as_json=as_json,
        )
    )


@app.command(epilog="Exit codes: 0 played and not seen, 1 seen again, 2 inconclusive, 4 bad input.")
def replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="a file under a report's counterexamples/")
    ],
    contract: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="the contract, if it is not where it was"),
    ] = None,
    clock: Annotated[
        ClockChoice,
        typer.Option(help="hold the target's clock; auto falls back to real time with a note"),
    ] = ClockChoice.AUTO,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="a host outside loopback that target.url may name"),
    ] = None,
) -> int:
    """See a counterexample again: play its plan and print what was answered when."""
    from harness.cli.replay import Wanted, show  # noqa: PLC0415

    return show(Wanted(file=file, contract=contract, clock=clock.value, allow=tuple(allow or ())))


@app.command(epilog="Example: `stormproof plan contract.yaml`")
def plan(contracts: Contracts) -> int:
    """Show what would be started, called, touched and undone; starts nothing."""
    from harness.cli.plan import show_plan  # noqa: PLC0415

    return show_plan(contracts)


@app.command(epilog="Example: `stormproof schema > contract.schema.json`")
def schema() -> int:
    """Print the JSON Schema of contracts, for your editor."""
    from harness.contract.schema import schema_text  # noqa: PLC0415
    from harness.promises import words  # noqa: PLC0415

    typer.echo(schema_text(words()), nl=False)
    return 0


@app.command(epilog="Example: `stormproof init http://127.0.0.1:8000 --output contract.yaml`")
def init(
    url: Annotated[str, typer.Argument(metavar="URL", help="where the service runs")],
    *,
    output: Annotated[Path, typer.Option(metavar="FILE", help="the contract to write")] = Path(
        "contract.yaml"
    ),
    openapi: Annotated[
        str | None,
        typer.Option(metavar="PATH_OR_URL", help="its OpenAPI document, where it is not found"),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="certificates (PEM) that an https service is checked against"
        ),
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="a host outside loopback to look at")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
) -> int:
    """Write a first contract from a running service's OpenAPI document and a few harmless GETs."""
    from harness.cli.init import Wanted, init  # noqa: PLC0415

    return init(
        Wanted(
            url=url,
            output=output,
            openapi=openapi,
            trust=trust,
            allow=tuple(allow or ()),
            force=force,
        )
    )


@app.command(epilog="Example: `stormproof demo --broken`")
def demo(
    *,
    broken: Annotated[
        bool, typer.Option("--broken", help="the same service with a planted defect")
    ] = False,
    report: Annotated[Path, typer.Option(metavar="DIR", help="folder of the run record")] = Path(
        REPORT
    ),
) -> int:
    """Verify a small service that Stormproof brings along, to see what it does."""
    from harness.cli.demo import demo  # noqa: PLC0415

    return demo(broken=broken, report=report)


@app.command(
    epilog="Example: `stormproof proxy --config toxiproxy.json`, and then any Toxiproxy client"
)
def proxy(
    *,
    host: Annotated[
        str, typer.Option(help="where the API listens; whoever reaches it can cut your proxies")
    ] = "localhost",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is any free one")] = 8474,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON: the proxies to start with, as for POST /populate"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="of all draws; one is drawn and printed otherwise")
    ] = None,
    proxy_metrics: Annotated[
        bool, typer.Option("--proxy-metrics", help="show bytes and hits on /metrics")
    ] = False,
    runtime_metrics: Annotated[
        bool, typer.Option("--runtime-metrics", help="show this process on /metrics")
    ] = False,
    toxics: Annotated[
        bool,
        typer.Option("--toxics", help="create the toxics that come with proxies, in FILE too"),
    ] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="a host, address or network (10.0.0.0/8) outside this machine that proxies may "
            "lead to and requests may name; * is everything",
        ),
    ] = None,
) -> int:
    """Run the fault proxy alone, with Toxiproxy's HTTP API."""
    from harness.cli.proxy import run_proxy  # noqa: PLC0415
    from harness.proxy.serve import Settings, chosen_metrics  # noqa: PLC0415

    return run_proxy(
        Settings(
            host=host,
            port=port,
            config=config,
            seed=seed,
            metrics=chosen_metrics(proxy=proxy_metrics, runtime=runtime_metrics),
            allow=tuple(allow or ()),
            with_toxics=toxics,
        )
    )


@app.command(epilog="Example: `stormproof report stormproof-report`")
def report(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="a folder that verify --report wrote")
    ],
) -> int:
    """Render the pages of a report folder again, from its run.json alone."""
    from harness.cli.report import render_again  # noqa: PLC0415

    return render_again(directory)


@app.command(
    epilog="Example: `stormproof sweep --dry-run`. Exit codes: 0 nothing of a dead run is left, "
    "1 something could not be undone; each is named, with the reason and what to do."
)
def sweep(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be undone, and touch nothing")
    ] = False,
) -> int:
    """Undo what dead runs left: processes, stopped processes, private folders.

    A run cleans up after itself, and its reaper does if the run dies. This is for runs whose reaper was
    killed too. Runs that live, stopped ones included, and whatever carries no mark of ours are left
    alone.
    """
    from harness.cli.sweep import sweep_up  # noqa: PLC0415

    return sweep_up(dry_run=dry_run)


@app.command()
def doctor() -> int:
    """Say what this machine can do, and what each lack costs."""
    from harness.cli.doctor import examine  # noqa: PLC0415

    return examine()


def run(arguments: Sequence[str]) -> int:
    """Run one command; what a user did wrong is one clear error and exit code 4."""
    console = Console(stderr=True, highlight=False)
    try:
        code = app(list(arguments), standalone_mode=False, prog_name="stormproof")
    except _USAGE_ERROR as error:
        error.show()  # type: ignore[attr-defined]
        return BAD_INPUT
    except HarnessError as error:
        for line in str(error).splitlines():
            console.print(line, style="red", markup=False, soft_wrap=True)
        return BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return code if isinstance(code, int) else 0
