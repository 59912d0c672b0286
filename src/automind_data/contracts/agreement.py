"""Contracts between files: estimator, prior, observations and discovered tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import polars as pl

from automind_data.common.layout import DATASETS, PARAMETER_NAMES
from automind_data.contracts.inputs import Bound
from automind_data.contracts.registry import Found, contract
from automind_data.contracts.subjects import Copies, Discovered, Estimator, Observations

__all__: list[str] = []


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
    """The posterior inside an archive is the published density estimator."""
    if copies.md5_inside != copies.md5_published:
        yield Found(
            f"the posterior inside is not {copies.published}"
            f" (md5 {copies.md5_inside} and {copies.md5_published})"
        )


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
