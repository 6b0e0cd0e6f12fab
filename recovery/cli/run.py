"""``recovery run``."""

import argparse
import shlex
from typing import Any

from recovery.cli.forms import add_forms, check_forms, write_asked
from recovery.cli.told import told
from recovery.cli.words import assignments, number, seeds_of, whole
from recovery.errors import SettingsError

EPILOG = """\
exit codes: 0 as promised; 1 a gate or a replicate failed for good, or the store is damaged; 2 wrong
usage or input; 3 inconclusive, or nothing measured; 130 interrupted (the same command goes on)"""


def add_run(commands: Any) -> None:
    """Add the command to a parser."""
    run = commands.add_parser(
        "run",
        help="run a sweep, or what is missing of it, and write its report",
        usage="recovery run SCENARIO [AXIS=LEVEL,LEVEL,...] ... [options]",
        description="Simulate, fit and record every replicate that the store has not got yet, "
        "then write tables, plots and the report.",
        epilog=EPILOG,
        allow_abbrev=False,
    )
    run.add_argument(
        "scenario",
        metavar="SCENARIO",
        help="a Python file (its code is run), FILE.py:NAME, or a bundled scenario",
    )
    run.add_argument(
        "axes",
        metavar="AXIS=LEVELS",
        nargs="*",
        help="levels of an axis, as trials=50,100; axes left out stay at their defaults",
    )
    seeds = run.add_argument_group("replicates")
    seeds.add_argument("--replicates", type=whole, metavar="N", help="replicates per cell (100)")
    seeds.add_argument(
        "--precision",
        type=number,
        metavar="P",
        help="add replicates, cell by cell, until the coverage of every parameter is known to "
        "this standard error, 0.01 say; --replicates are the least then",
    )
    seeds.add_argument(
        "--stop-when",
        choices=("decided",),
        help="add replicates, cell by cell, until it is decided whether the posteriors are "
        "calibrated, at an error rate of 5%% over all cells",
    )
    seeds.add_argument(
        "--margin",
        type=number,
        metavar="M",
        help="with --stop-when: how far the coverage of 90%% intervals may be from nominal (0.05)",
    )
    seeds.add_argument(
        "--max-replicates",
        type=whole,
        metavar="N",
        help="per cell, with --precision (10000) or --stop-when (5000)",
    )
    seeds.add_argument("--seed", type=whole, metavar="S", help="root of all seeds (42)")
    seeds.add_argument(
        "--seeds", type=seeds_of, metavar="LIST", help="these seeds instead: 1,2,3 or 1-100"
    )
    seeds.add_argument(
        "--truth",
        choices=("fixed", "prior", "both"),
        default="fixed",
        help="given truth, truth drawn from the prior, or both (%(default)s)",
    )
    sampling = run.add_argument_group("sampler")
    sampling.add_argument(
        "--sampler",
        default="nutpie",
        metavar="NAME",
        help="nutpie or pymc; or an approximation: advi, fullrank_advi or laplace, of which "
        "--draws times --chains independent draws are taken",
    )
    for name, default, more in (
        ("draws", 1000, ""),
        ("tune", None, "1000, or 400 with --ess"),
        ("chains", 4, ""),
    ):
        sampling.add_argument(
            f"--{name}", type=whole, default=default, metavar="N", help=more or "%(default)s"
        )
    sampling.add_argument(
        "--ess",
        type=whole,
        default=0,
        metavar="N",
        help="end a fit as soon as every parameter has this bulk and tail ESS and r_hat is below "
        "1.01; --draws are the most then",
    )
    sampling.add_argument(
        "--target-accept", type=number, default=0.8, metavar="P", help="%(default)s"
    )
    where = run.add_argument_group("output")
    where.add_argument("--out", metavar="DIR", help="output folder (reports/SCENARIO)")
    where.add_argument("--workers", type=whole, metavar="N", help="fits at a time (one per core)")
    where.add_argument(
        "--processes", type=whole, metavar="N", help="to spread the workers over (measured)"
    )
    where.add_argument(
        "--timeout",
        type=number,
        metavar="S",
        help="seconds a replicate may take, compilation apart; each fit then has a process of "
        "its own, which is ended if it takes longer",
    )
    where.add_argument(
        "--executor",
        choices=("local", "dask"),
        default="local",
        help="dask starts a Dask cluster of processes on this machine (%(default)s)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask scheduler whose workers are to run the fits, as tcp://host:8786",
    )
    where.add_argument(
        "--retry-failed",
        action="store_true",
        help="run again what failed; the earlier failures are kept apart",
    )
    where.add_argument(
        "--refit-flagged",
        action="store_true",
        help="fit the data of flagged fits a second time, with twice the warm-up and a higher "
        "target_accept; both outcomes are kept",
    )
    where.add_argument(
        "--fresh", action="store_true", help="begin again; the old store is kept beside the new"
    )
    add_forms(run)
    run.set_defaults(call=_run)


def _run(options: argparse.Namespace) -> int:
    from recovery.importing import uncollected
    from recovery.loading import load_scenario

    derived = options.replicates is not None or options.seed is not None
    if options.seeds is not None and derived:
        raise SettingsError("--seeds stands instead of --replicates and --seed; give one of them")
    _check_growth(options)
    check_forms(options)  # before fits that may take an hour
    # PyMC takes seconds to import; what is wrong with the words above is told at once.
    with uncollected():
        scenario = load_scenario(options.scenario)
        from recovery.decided import MARGIN
        from recovery.design import REPLICATES
        from recovery.sweep import Sweep
    sweep = Sweep(
        scenario,
        assignments(scenario, options.axes),
        replicates=REPLICATES if options.replicates is None else options.replicates,
        truth=options.truth,
        seed=42 if options.seed is None else options.seed,
        seeds=options.seeds,
        sampler=options.sampler,
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        target_accept=options.target_accept,
        ess=options.ess,
        precision=options.precision,
        stop_when=options.stop_when,
        margin=MARGIN if options.margin is None else options.margin,
        max_replicates=options.max_replicates,
    )
    command = shlex.join(["recovery", *options.words])
    results = sweep.run(
        options.out,
        workers=options.workers,
        processes=options.processes,
        timeout=options.timeout,
        executor=options.executor,
        scheduler=options.scheduler,
        retry_failed=options.retry_failed,
        refit_flagged=options.refit_flagged,
        fresh=options.fresh,
        command=command,
    )
    ours = results.cells["cell"].isin([cell.digest for cell in sweep.design.cells])
    others = int(results.fits["position"].isin(ours.index[~ours]).sum())
    if others:
        print(f"{results.folder} also holds {others} replicates of other levels or truth modes")
    write_asked(results, options)
    return told(results)


def _check_growth(options: argparse.Namespace) -> None:
    """Refuse options on how cells grow that do not go together."""
    stop, precision = options.stop_when is not None, options.precision is not None
    if stop and precision:
        raise SettingsError("--stop-when stands instead of --precision; give one of them")
    if stop and options.seeds is not None:
        raise SettingsError("--stop-when: needs replicates to add to; give --seed, not --seeds")
    if options.margin is not None and not stop:
        raise SettingsError("--margin: goes with --stop-when decided; give both")
    if options.max_replicates is not None and not (stop or precision):
        raise SettingsError(
            "--max-replicates: goes with --precision or --stop-when; use --replicates without them"
        )
