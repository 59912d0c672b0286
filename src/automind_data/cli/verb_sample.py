"""The verb `sample`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS
from automind_data.params import read_params
from automind_data.scaling.cluster import Cluster
from automind_data.scaling.options import cluster_options

if TYPE_CHECKING:
    from automind_data.calibration.reference import Compared
    from automind_data.dgm.model import DGM

__all__ = ["command"]


@click.command()
@click.argument("out", type=click.Path(dir_okay=False), default="samples.parquet")
@click.option("--dgm", required=True, metavar="NAME|FOLDER", help="psd, burst, or a folder.")
@click.option("--observations", metavar="TABLE", help="Parquet or CSV.")
@click.option("--recording", metavar="FILE", help="A raw recording (.npz, .nwb) in their place.")
@click.option("--observation", "keys", multiple=True, metavar="KEY", help="Only this x_o.")
@click.option("-n", "--n-samples", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--oversample", default=1, show_default=True, type=click.IntRange(1), metavar="K",
    help="With K > 1: keep the densest n of n*K draws. Not posterior draws.",
)  # fmt: skip
@click.option(
    "--max-draws", default=10_000_000, show_default=True, type=click.IntRange(1),
    help="Give an observation up after so many.",
)  # fmt: skip
@click.option("--map", "with_map", is_flag=True, help="A row for the densest point as well.")
@click.option("--mean", "with_mean", is_flag=True, help="A row for the mean of the rows as well.")
@click.option("--threads", type=click.IntRange(1), help="Default: all cores. Same numbers.")
@click.option("--dataset", type=click.Choice(list(DATASETS)), help="A data set of the release.")
@click.option("--params", type=click.Path(), help="Take sampling from this params.yaml.")
@click.option("--discovered", type=click.Path(), help="List of the released table's x_o.")
@click.option("--gate", type=click.Path(), help="Sample only if this gate is open.")
@click.option(
    "--reference", metavar="FILE|none",
    help="What training features look like, from `calibrate`. Default: the clone's.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Refuse what lacks a feature or lies outside them.")
@click.option("--record", type=click.Path(), help="JSON: what became of each observation.")
@cluster_options
def command(
    out: str,
    dgm: str,
    observations: str | None,
    recording: str | None,
    keys: tuple[str, ...],
    n_samples: int,
    seed: int,
    oversample: int,
    max_draws: int,
    with_map: bool,
    with_mean: bool,
    threads: int | None,
    dataset: str | None,
    params: str | None,
    discovered: str | None,
    gate: str | None,
    reference: str | None,
    strict: bool,
    record: str | None,
    cluster: Cluster,
) -> None:
    """Draw posterior samples for observations from a trained density estimator.

    \b
    Example: automind-data sample --dgm psd --observations my_spectra.csv -n 1000 my.parquet
    \b
    From spikes: automind-data sample --dgm burst --recording my.npz -n 1000 my.parquet
    \b
    Many: automind-data sample --dgm psd --observations all.parquet my.parquet --workers 2
    """
    if (observations is None) == (recording is None):
        raise click.UsageError("give --observations or --recording")
    acceptance_draws = 10_000
    wanted: str | list[str] = list(keys) or "all"
    if params is not None:
        sampling = read_params(params).sampling
        n_samples, seed, oversample = sampling.n_samples, sampling.seed, sampling.oversample
        acceptance_draws, max_draws = sampling.acceptance_draws, sampling.max_draws
        if dataset is not None:
            wanted = list(keys) or sampling.sets[dataset].observations
    closed = _errors_of(Path(gate)) if gate is not None else []
    if closed and record is None:
        rule = f"is closed by {', '.join(closed)}"
        raise AutomindError(
            str(gate), rule, "see derived/validation/findings.jsonl and mend the input"
        )

    from automind_data.common.observations import read_observations
    from automind_data.common.progress import draw
    from automind_data.dgm.model import load
    from automind_data.sampling import (
        Sampled,
        same_torch_everywhere,
        sample_observations,
        skip_observations,
        write_samples,
    )

    if with_map:
        # The search for the maximum is the one thing here that torch does.
        same_torch_everywhere()
    folder = Path(dgm) if (Path(dgm) / "dgm.json").is_file() else Path("derived/dgms") / dgm
    estimator = load(folder)
    columns = list(estimator.recipe.columns)
    chosen = DATASETS[dataset] if dataset else None
    table = str(observations or recording)
    if closed:
        rows = {}
    elif recording is None:
        rows = read_observations(table, columns, chosen)
    else:
        from automind_data.features.observe import recorded_row

        rows = recorded_row(table, folder, columns)
    if wanted == "all":
        wanted = list(rows)
    elif wanted == "discovered":
        if discovered is None:
            raise click.UsageError("observations: discovered needs --discovered")
        wanted = _read_json(Path(discovered))["x_o"]
    else:
        for key in wanted:
            if key not in rows and not closed:
                raise AutomindError(
                    table, f"has no observation {key}", f"use one of {', '.join(rows)}"
                )
    odd, against = _compared(estimator, folder, rows, list(wanted), reference)
    if strict and not closed:
        if against is None:
            rule = "has no reference of training features, so nothing can be said to lie outside"
            raise AutomindError(folder, rule, "make one with `automind-data calibrate`")
        _refuse(table, estimator, rows, list(wanted), odd)
    sampled: list[Sampled] = []
    if closed:
        reason = f"the gate of the data set is closed by {', '.join(closed)}"
        sampled = skip_observations(list(wanted), reason)
        wanted = []

    def work() -> Iterator[dict[str, Any]]:
        made = yield from sample_observations(
            estimator,
            rows,
            list(wanted),
            n_samples,
            seed,
            oversample=oversample,
            acceptance_draws=acceptance_draws,
            max_draws=max_draws,
            threads=threads,
            points=[name for name, asked in (("map", with_map), ("mean", with_mean)) if asked],
            cluster=cluster,
        )
        sampled.extend(made)

    draw(work(), "sampling", "sample")
    skipped = [each for each, made in sampled if made is None]
    done = len(sampled) - len(skipped)
    if not done and record is None:
        why = f": {skipped[0].x_o}: {skipped[0].reason}" if skipped else ""
        rule = f"has no observation that can be sampled{why}"
        raise AutomindError(table, rule, "check it with `automind-data validate`")
    about: dict[str, Any] = {
        "dataset": dataset,
        "dgm": folder.name,
        "seed": seed,
        "n_samples": n_samples,
        "oversample": oversample,
    }
    if against is not None:
        about["compared"] = [asdict(each) for each in odd]
    write_samples(out, record, sampled, about, estimator)
    for one in skipped:
        click.echo(f"{one.status} {one.x_o}: {one.reason}", err=True)
    for each in odd:
        if each.outside:
            click.echo(f"warning: {_outside(each)}; its samples are an extrapolation", err=True)
    if against is None and reference is None:
        click.echo("not compared with training features: no --reference", err=True)
    failed = [one.x_o for one in skipped if one.status == "failed"]
    if failed:
        rule = f"lacks {len(failed)} observations that no worker finished, such as {failed[0]}"
        raise AutomindError(out, rule, "run it again for them with --observation")
    click.echo(f"{out}: {done} observation{'s' * (done != 1)}, {n_samples} rows each")


def _compared(
    estimator: DGM,
    folder: Path,
    rows: Mapping[str, Mapping[str, Any]],
    wanted: Sequence[str],
    reference: str | None,
) -> tuple[list[Compared], Path | None]:
    """Compare observations with the reference that was asked for, or else the clone's."""
    from automind_data.calibration.reference import compare, read_reference, reference_of

    if reference == "none":
        return [], None
    path = Path(reference) if reference is not None else reference_of(folder)
    if reference is None and not path.is_file():
        return [], None
    return compare(estimator, rows, wanted, read_reference(path, estimator)), path


def _refuse(
    table: str,
    estimator: DGM,
    rows: Mapping[str, Mapping[str, Any]],
    wanted: Sequence[str],
    odd: Sequence[Compared],
) -> None:
    from automind_data.sampling import unusable

    lacking = ((key, unusable(estimator, rows.get(key))) for key in wanted)
    said = [f"{key}: {reason}" for key, reason in lacking if reason is not None]
    said += [_outside(each) for each in odd if each.outside]
    if said:
        more = f" (one of {len(said)} such observations)" if len(said) > 1 else ""
        raise AutomindError(table, f"{said[0]}{more}", "correct it, or leave out --strict")


def _outside(each: Compared) -> str:
    return (
        f"{each.x_o} lies outside the training features: misspecification score"
        f" {each.score:.3g} nat per feature, p {each.p:.2g}"
    )


def _errors_of(gate: Path) -> list[str]:
    said = _read_json(gate)
    return [] if said["verdict"] == "open" else list(map(str, said["errors"]))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, FileNotFoundError):
        raise AutomindError(path, "is not there or is no JSON", "run `dvc repro`") from None
    return dict(said)
