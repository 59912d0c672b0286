"""Contracts between files: estimator, prior, observations and discovered tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from automind_data.common.layout import ARCHIVES, DATASETS, PARAMETER_NAMES, column_family
from automind_data.contracts.inputs import Bound
from automind_data.contracts.registry import SHOWN, Found, contract
from automind_data.contracts.subjects import (
    Analyses,
    Apart,
    Copies,
    Discovered,
    Drawn,
    Estimator,
    Observations,
    Priors,
)

__all__: list[str] = []

SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")
RESIMULATED = "gt_resim"
RELATIVE = 1e-12


@contract("dgm-param-names", "error", Estimator)
def the_estimator_has_the_28_parameters(estimator: Estimator) -> Iterator[Found]:
    """The density estimator has each of the 28 parameters once."""
    yield from _not_the_28("the density estimator", estimator.parameters)


@contract("prior-param-names", "error", Estimator)
def the_prior_has_the_28_parameters(estimator: Estimator) -> Iterator[Found]:
    """The prior has each of the 28 parameters once."""
    yield from _not_the_28("the prior", estimator.prior)


@contract("prior-range", "error", Estimator)
def every_bound_is_a_number_and_low_is_below_high(estimator: Estimator) -> Iterator[Found]:
    """Every bound of the prior is a finite number and low is below high."""
    bad = [
        bound
        for bound in estimator.prior
        if bound.low is None
        or bound.high is None
        or not np.isfinite([bound.low, bound.high]).all()
        or not np.float32(bound.low) < np.float32(bound.high)
    ]
    if bad:
        message = "parameters of the prior have bounds that are not finite with low below high"
        shown = tuple({"parameter": b.name, "low": b.low, "high": b.high} for b in bad)
        yield Found(message, len(bad), shown)


@contract("dgm-param-order", "error", Estimator)
def estimator_and_prior_have_one_order(estimator: Estimator) -> Iterator[Found]:
    """Density estimator and prior have the same parameters in the same order."""
    here = [bound.name for bound in estimator.parameters]
    there = [bound.name for bound in estimator.prior]
    if here == there:
        return
    longest = max(len(here), len(there))
    pairs = zip(
        here + [""] * (longest - len(here)), there + [""] * (longest - len(there)), strict=True
    )
    moved = [
        {"place": place, "density estimator": one, "prior": other}
        for place, (one, other) in enumerate(pairs)
        if one != other
    ]
    message = "parameters of the density estimator and of the prior differ in name or order"
    yield Found(message, len(moved), tuple(moved))


@contract("dgm-bounds", "error", Estimator)
def estimator_and_prior_have_the_same_bounds(estimator: Estimator) -> Iterator[Found]:
    """Density estimator and prior have the same bounds, as float32, and units."""
    prior = {bound.name: bound for bound in estimator.prior}
    pairs = [(bound, prior[bound.name]) for bound in estimator.parameters if bound.name in prior]
    differ = [(one, other) for one, other in pairs if _rounded(one) != _rounded(other)]
    if differ:
        message = "parameters have other bounds or units in the density estimator than in the prior"
        shown = tuple(
            {
                "parameter": one.name,
                "density estimator": f"{one.low} to {one.high} {one.unit}",
                "prior": f"{other.low} to {other.high} {other.unit}",
            }
            for one, other in differ
        )
        yield Found(message, len(differ), shown)


@contract("dgm-kind", "error", Estimator)
def the_estimator_is_conditioned_as_its_data_set(estimator: Estimator) -> Iterator[Found]:
    """The density estimator is conditioned on what the data set observes."""
    if estimator.dataset is None:
        return
    wanted = DATASETS[estimator.dataset].dgm
    if estimator.conditioning.kind != wanted:
        kind = estimator.conditioning.kind
        yield Found(f"the density estimator is conditioned on {kind} where {wanted} belongs")


@contract("observation-columns", "error", Observations)
def observations_have_the_columns_they_need(observations: Observations) -> Iterator[Found]:
    """The observation table has its key and what the density estimator is conditioned on."""
    wanted = (*observations.table.key_columns, *observations.features)
    there = set(observations.columns)
    missing = [name for name in wanted if name not in there]
    if missing:
        message = f"{len(missing)} columns are missing that keys or conditioning need"
        yield Found(message, len(missing), tuple({"column": name} for name in missing))


@contract("observation-key", "error", Observations)
def every_observation_has_its_own_key(observations: Observations) -> Iterator[Found]:
    """Every observation has a key, and no two have the same."""
    keyless = observations.keys.count(None)
    if keyless:
        yield Found(f"{keyless} observations lack a part of their key", keyless)
    counted = Counter(key for key in observations.keys if key is not None)
    twice = {key: times for key, times in counted.items() if times > 1}
    if twice:
        shown = tuple({"x_o": key, "rows": times} for key, times in twice.items())
        yield Found(f"{len(twice)} keys belong to more than one observation", len(twice), shown)


@contract("observation-none", "error", Observations)
def there_are_observations(observations: Observations) -> Iterator[Found]:
    """There is an observation."""
    if set(observations.table.key_columns) <= set(observations.columns) and not observations.keys:
        of = f" of {observations.dataset}" if observations.dataset else ""
        yield Found(f"the table has no observation{of}")


@contract("x-o-unresolved", "error", Discovered)
def every_key_belongs_to_an_observation(discovered: Discovered) -> Iterator[Found]:
    """Every `x_o` in a discovered table is the key of an observation."""
    frame = pl.scan_parquet(discovered.path)
    if "x_o" not in frame.collect_schema().names():
        yield Found("the discovered table has no column x_o")
        return
    counted = (
        frame.select("x_o")
        .drop_nulls()
        .group_by("x_o")
        .agg(pl.len().alias("rows"))
        .sort("x_o")
        .collect(engine="streaming")
    )
    lost = [row for row in counted.iter_rows(named=True) if row["x_o"] not in discovered.known]
    if lost:
        message = f"{len(lost)} keys x_o belong to no row of {discovered.observations}"
        yield Found(message, len(lost), tuple(lost))


@contract("posterior-differs", "warning", Copies)
def the_posterior_inside_is_the_published_one(copies: Copies) -> Iterator[Found]:
    """The posterior inside an archive holds the same network as the published density estimator."""
    if copies.md5_inside == copies.md5_published:
        return
    files = f"(md5 {copies.md5_inside} and {copies.md5_published})"
    inside, published = copies.network_inside, copies.network_published
    if not inside or not published:
        yield Found(f"the posterior inside is not {copies.published} {files}")
        return
    differ = sorted(
        name for name in {*inside, *published} if inside.get(name) != published.get(name)
    )
    if differ:
        yield Found(
            f"the posterior inside is not {copies.published}: {len(differ)} of"
            f" {len({*inside, *published})} parts of the network differ {files}",
            len(differ),
            tuple({"part": name} for name in differ),
        )


@contract("prior-differs", "error", Priors)
def every_prior_is_the_same(priors: Priors) -> Iterator[Found]:
    """All archives have the same prior: names, units and bounds, in one order."""
    names = list(priors.of)
    for name in names[1:]:
        here, there = priors.of[name], priors.of[names[0]]
        if here == there:
            continue
        stated = {bound.name: bound for bound in there}
        odd = tuple(
            {
                "parameter": bound.name,
                name: f"{bound.low} to {bound.high} {bound.unit}",
                names[0]: f"{other.low} to {other.high} {other.unit}" if other else "not there",
            }
            for bound in here
            if (other := stated.get(bound.name)) != bound
        )
        message = f"the prior of {name} is not that of {names[0]}"
        what = f" in {len(odd)} parameters" if odd else " in the order or number of parameters"
        yield Found(message + what, max(len(odd), 1), odd, file=ARCHIVES[name].path)


@contract("analysis-differs", "warning", Analyses)
def every_analysis_is_the_same(analyses: Analyses) -> Iterator[Found]:
    """Simulation and analysis parameters agree across archives, but for seeds and times."""
    names = list(analyses.of)
    for name in names[1:]:
        here, there = analyses.of[name], analyses.of[names[0]]
        odd = tuple(
            {"parameter": key, name: here.get(key, "–"), names[0]: there.get(key, "–")}
            for key in sorted({*here, *there})
            if here.get(key) != there.get(key)
        )
        if odd:
            listed = ", ".join(case["parameter"] for case in odd[:3])
            message = f"{len(odd)} parameters differ from those of {names[0]} ({listed})"
            yield Found(message, len(odd), odd, file=ARCHIVES[name].path)


@contract("batches-differ", "hint", Analyses)
def every_batch_has_the_same_parameters(analyses: Analyses) -> Iterator[Found]:
    """The batches in one archive have the same simulation and analysis parameters."""
    for name, differences in analyses.within.items():
        if differences:
            cases = tuple({"member": member} for member in differences)
            message = "batches have other parameters than the first one in the archive"
            yield Found(message, len(cases), cases, file=ARCHIVES[name].path)


@contract("heldout-in-training", "error", Apart)
def no_heldout_row_was_trained_on(apart: Apart) -> Iterator[Found]:
    """No held-out row is in the training table, by its seeds or by its 28 parameters."""
    training, heldout = pl.scan_parquet(apart.training), pl.scan_parquet(apart.path)
    schemas = training.collect_schema(), heldout.collect_schema()
    for what, names in (("seeds", SEEDS), ("parameters", PARAMETER_NAMES)):
        if not all(set(names) <= set(schema) for schema in schemas):
            continue
        shown = [name for name in SEEDS if name in schemas[1]]
        both = (
            heldout.select(*dict.fromkeys((*shown, *names)))
            .with_row_index("row")
            .join(
                training.select(*names).with_row_index("row in training"),
                on=list(names),
                how="inner",
            )
            .select("row", *shown, "row in training")
            .collect(engine="streaming")
            .sort("row", "row in training")
        )
        if both.height:
            message = f"{both['row'].n_unique()} held-out rows have the {what} of a training row"
            cases = tuple(both.head(SHOWN).iter_rows(named=True))
            yield Found(message, both["row"].n_unique(), cases)


@contract("inference-types", "warning", Discovered)
def every_observation_has_the_same_kinds_of_rows(discovered: Discovered) -> Iterator[Found]:
    """Observations have equal numbers of rows of each kind: at most one MAP, mean, `gt_resim`."""
    frame = pl.scan_parquet(discovered.path)
    if not {"x_o", "inference.type"} <= set(frame.collect_schema()):
        return
    counted = (
        frame.group_by("x_o", "inference.type")
        .agg(pl.len().alias("rows"))
        .collect(engine="streaming")
        .drop_nulls()
        .sort("x_o", "inference.type")
    )
    keys = counted["x_o"].unique(maintain_order=True).to_list()
    rows = {(x_o, kind): n for x_o, kind, n in counted.iter_rows()}
    cases: list[dict[str, Any]] = []
    for kind in counted["inference.type"].unique(maintain_order=True).to_list():
        numbers = [rows.get((key, kind), 0) for key in keys]
        usual = Counter(numbers).most_common(1)[0][0]
        cases += [
            {"x_o": key, "inference.type": kind, "rows": n, "others have": usual}
            for key, n in zip(keys, numbers, strict=True)
            if n != usual
        ]
        once = kind == RESIMULATED or kind.endswith(("_map", "_mean"))
        if once:
            cases += [
                {"x_o": key, "inference.type": kind, "rows": n, "at most": 1}
                for key, n in zip(keys, numbers, strict=True)
                if n > 1
            ]
        elif not re.search(r"_samples(_prune_[1-9]\d*)?\Z", kind):
            cases.append({"inference.type": kind, "is": "no known kind"})
        if kind == RESIMULATED and not discovered.simulated:
            cases.append({"inference.type": kind, "is": "of recordings, which have no parameters"})
    if cases:
        yield Found("numbers of rows by observation and kind are odd", len(cases), tuple(cases))


@contract("observation-not-heldout", "error", Drawn)
def every_synthetic_observation_is_a_heldout_run(drawn: Drawn) -> Iterator[Found]:
    """Every synthetic observation is a run of the held-out table."""
    lost = (
        _collected(
            _numbered(drawn.path, drawn.key).join(
                pl.scan_parquet(drawn.archive).select(drawn.key), on=drawn.key, how="anti"
            )
        )
        .select("row", *drawn.key)
        .sort("row")
    )
    if lost.height:
        message = f"{lost.height} observations are no run of {drawn.drawn_from}"
        yield Found(message, lost.height, tuple(lost.head(SHOWN).iter_rows(named=True)))


@contract("observation-differs", "error", Drawn)
def a_synthetic_observation_has_the_features_of_its_run(drawn: Drawn) -> Iterator[Found]:
    """Every synthetic observation has the features of its held-out run, to 1e-12 of each."""
    here, there = pl.scan_parquet(drawn.path), pl.scan_parquet(drawn.archive)
    schemas = here.collect_schema(), there.collect_schema()
    names = [
        name
        for name, kind in schemas[0].items()
        if kind == pl.Float64
        and schemas[1].get(name) == kind
        and column_family(name)[0] in {"parameter", "isi", "burst", "pca", "psd"}
    ]
    keys = _collected(here.select(drawn.key))
    runs = _collected(
        there.select(*drawn.key, *names).join(keys.lazy(), on=drawn.key, how="semi")
    ).unique(drawn.key, keep="first", maintain_order=True)
    pairs = _collected(_numbered(drawn.path, drawn.key, names)).join(
        runs, on=drawn.key, how="inner", suffix=" there", maintain_order="left"
    )
    one = pairs.select(names).to_numpy()
    other = pairs.select(f"{name} there" for name in names).to_numpy()
    near = np.abs(one - other) <= RELATIVE * np.abs(other)
    odd = np.argwhere(~(near | (np.isnan(one) & np.isnan(other))))
    if len(odd):
        cases = tuple(
            {
                "row": pairs["row"][row],
                **{key: pairs[key][row] for key in drawn.key},
                "column": names[column],
                "value": one[row, column],
                drawn.drawn_from: other[row, column],
            }
            for row, column in odd[:SHOWN].tolist()
        )
        message = f"{len(odd)} features are not those of the same run in {drawn.drawn_from}"
        yield Found(message, len(odd), cases)


def _numbered(path: Path, key: Sequence[str], more: Sequence[str] = ()) -> pl.LazyFrame:
    return pl.scan_parquet(path).select(*key, *more).with_row_index("row")


def _collected(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _not_the_28(what: str, parameters: tuple[Bound, ...]) -> Iterator[Found]:
    counted = Counter(bound.name for bound in parameters)
    odd = [
        {"parameter": name, "times": counted[name]}
        for name in dict.fromkeys((*PARAMETER_NAMES, *counted))
        if counted[name] != 1 or name not in PARAMETER_NAMES
    ]
    if odd:
        message = f"{what} does not have each of the {len(PARAMETER_NAMES)} parameters once"
        yield Found(message, len(odd), tuple(odd))


def _rounded(bound: Bound) -> tuple[object, ...]:
    ends = (None if end is None else float(np.float32(end)) for end in (bound.low, bound.high))
    return (*ends, bound.unit)
