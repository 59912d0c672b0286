"""The tracked release in another shape: what the published one may look like."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path, PurePosixPath

import pandas as pd

BATCH = "params_settings.batch_seed"
TABLE = "_summary_data_merged.csv"
Members = dict[str, bytes]


def read(archive: Path) -> Members:
    """File name (no folder) → bytes of each member."""
    with zipfile.ZipFile(archive) as source:
        return {PurePosixPath(name).name: source.read(name) for name in source.namelist()}


def write(archive: Path, members: Members) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in members.items():
            target.writestr(name, data)


def table(members: Members) -> tuple[str, pd.DataFrame]:
    (name,) = [name for name in members if name.endswith(TABLE)]
    return name, pd.read_csv(io.BytesIO(members[name]), index_col=0, dtype=str, na_filter=False)


def text(frame: pd.DataFrame) -> bytes:
    return frame.to_csv().encode()


def renamed(members: Members, seed: str) -> Members:
    """The same files under another batch seed."""
    return {f"{seed}_{name.split('_', 1)[1]}": data for name, data in members.items()}


def other_seed(seed: str) -> str:
    return str(int(seed) + 1357)


def reshape(release: Path, folder: Path) -> Path:
    """Write a reshaped copy of a release in the published layout and return its folder."""
    shutil.copytree(release, folder)
    prior, found = folder / "training_prior_samples", folder / "discovered_posterior_samples"

    # Training: two batches, each in a run folder of its own with data/ and .hydra/.
    members = read(prior / "training.zip")
    name, frame = table(members)
    others = {other: data for other, data in members.items() if other != name}
    half = len(frame) // 2
    batches: Members = {}
    for number, part in enumerate((frame.iloc[:half], frame.iloc[half:])):
        seed = str(1000 + number)
        run = f"training/run-{number}"
        part = part.assign(**{BATCH: seed})
        batch = renamed({name: text(part), **others}, seed)
        batches |= {f"{run}/data/{file}": data for file, data in batch.items()}
        batches[f"{run}/.hydra/config.yaml"] = b"seed: 1\n"
    write(prior / "training.zip", batches)

    # Held-out, and everything that points to it: another batch seed; fewer components.
    members = read(prior / "heldout.zip")
    name, frame = table(members)
    old = str(frame[BATCH].iloc[0])
    new = other_seed(old)
    components = [column for column in frame.columns if column.startswith("pca_")][5:]
    frame = frame.assign(**{BATCH: new}).drop(columns=components)
    write(
        prior / "heldout.zip",
        {
            f"heldout/{file}": data
            for file, data in renamed({**members, name: text(frame)}, new).items()
        },
    )
    path = folder / "observations" / "synthetic_summary.csv"
    frame = pd.read_csv(path, index_col=0, dtype=str, na_filter=False)
    path.write_bytes(text(frame.assign(**{BATCH: new}).drop(columns=components)))
    members = read(found / "synthetic.zip")
    name, frame = table(members)
    keys = frame["x_o"].str.replace(f"{old}_", f"{new}_", regex=False)
    members[name] = text(frame.assign(x_o=keys))
    write(found / "synthetic.zip", {f"synthetic/{file}": data for file, data in members.items()})

    # Organoids: an extra top folder and what a Mac adds.
    members = read(found / "organoids.zip")
    shaped = {f"my download/organoids/{file}": data for file, data in members.items()}
    shaped |= {"__MACOSX/my download/._organoids": b"mac", "my download/.DS_Store": b"mac"}
    write(found / "organoids.zip", shaped)

    # Mouse, visual: columns in another order and one that nobody knows.
    members = read(found / "mouse-vis.zip")
    name, frame = table(members)
    members[name] = text(frame[sorted(frame.columns, reverse=True)].assign(remark="none"))
    write(found / "mouse-vis.zip", {f"mouse-vis/{file}": data for file, data in members.items()})

    # Mouse, hippocampal: no top folder at all.
    write(found / "mouse-hc.zip", read(found / "mouse-hc.zip"))
    return folder
