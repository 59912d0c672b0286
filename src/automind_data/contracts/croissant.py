"""The release as Croissant metadata (mlcommons.org/croissant/1.0): `datasets/croissant.json`.

Nothing is in it that the release does not state: no licence, no date, no authors
beyond those of `release.json`. Spectra and components are described as families.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.common.layout import ARCHIVES, FILES, OBSERVATION_TABLES
from automind_data.contracts.spec import Column, ParameterSpec, Spec, read_spec
from automind_data.pinning.release import RELEASE_FILE
from automind_data.pinning.tracked import read_imports, read_outputs, reader_of_folder

__all__ = ["croissant"]

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
TYPES = {"float64": "sc:Float", "int64": "sc:Integer", "bool": "sc:Boolean", "text": "sc:Text"}
FORMATS = {
    ".zip": "application/zip",
    ".csv": "text/csv",
    ".npz": "application/octet-stream",
    ".pickle": "application/octet-stream",
}
MANY = {"pca": "pca_1", "psd": "psd_10.0"}
"""Families of too many columns to list, and the one that stands for the others."""

PARQUET = "application/x-parquet"


def croissant(root: Path) -> str:
    """Return the Croissant metadata of the release that a clone pins, as JSON.

    Parameters
    ----------
    root
        The top of the clone; only what git tracks there is read.

    Raises
    ------
    AutomindError
        The clone pins no release, or a table has not been derived.
    """
    read = reader_of_folder(root)
    release, spec = json.loads(read(RELEASE_FILE) or b"null"), read_spec()
    if release is None:
        raise AutomindError(root / RELEASE_FILE, "is not there", "import a release")
    pinned = {output.path: output for output in read_outputs(read)}
    imports = read_imports(read)
    objects: list[dict[str, Any]] = []
    for file in FILES:
        pin = imports[file.path]
        objects.append(
            {
                "@type": "cr:FileObject",
                "@id": file.path,
                "name": Path(file.path).name,
                "description": file.description,
                "contentUrl": file.path,
                "contentSize": f"{pin.size} B",
                "encodingFormat": FORMATS[Path(file.path).suffix],
                "md5": pin.md5,
            }
        )
    for name in spec.tables:
        path = _table(name)
        if path not in pinned:
            raise AutomindError(root / path, "is in no dvc.lock", "derive it with `dvc repro`")
        objects.append(
            {
                "@type": "cr:FileObject",
                "@id": path,
                "name": Path(path).name,
                "description": f"the table of {_published(name)}, typed",
                "contentUrl": f"../{path}",
                "contentSize": f"{pinned[path].size} B",
                "encodingFormat": PARQUET,
                "md5": pinned[path].md5,
            }
        )
    described = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": "AutoMIND" + (" sample data" if release["sample"] else ""),
        "description": _description(release),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "version": release["release"],
        "url": release["address"],
        "license": release["licence"],
        "isLiveDataset": False,
        "distribution": objects,
        "recordSet": [_record_set(spec, name) for name in spec.tables],
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _description(release: dict[str, Any]) -> str:
    kind = "Sample data in the formats of the" if release["sample"] else "The"
    return (
        f"{kind} AutoMIND release: parameter configurations of a spiking network model, summary"
        " features of their simulations, density estimators, observations, and configurations"
        " discovered for them. What the release does not state is given as not stated."
    )


def _table(name: str) -> str:
    return f"derived/{'tables' if name in ARCHIVES else 'observations'}/{name}.parquet"


def _published(name: str) -> str:
    return ARCHIVES[name].path if name in ARCHIVES else OBSERVATION_TABLES[name].path


def _record_set(spec: Spec, name: str) -> dict[str, Any]:
    table = spec.tables[name]
    columns = [column for column in spec.columns if column.name in (*table.key, *table.also)]
    fields = [_field(name, column) for column in columns]
    if "parameter" in table.holds:
        fields += [_parameter(name, parameter) for parameter in spec.parameters]
    fields += [
        _field(name, column)
        for column in spec.columns
        if column.family in table.holds and column.name
    ]
    families = [
        column
        for column in spec.columns
        if column.pattern and column.family in table.holds and column.family in MANY
    ]
    more = "; ".join(f"{c.label}: {c.meaning} ({c.unit})" for c in families)
    fields += [_one_of_many(name, column, MANY[column.family]) for column in families]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{_published(name)}." + (f" Further columns: {more}." if more else ""),
        "key": [{"@id": f"{name}/{key}"} for key in table.key],
        "field": fields,
    }


def _parameter(table: str, parameter: ParameterSpec) -> dict[str, Any]:
    said = f"{parameter.meaning} ({parameter.unit})"
    return _described(table, parameter.name, said, "float64")


def _field(table: str, column: Column) -> dict[str, Any]:
    name = column.name or ""
    said = f"{column.meaning} ({column.unit})" if column.unit else column.meaning
    return _described(table, name, said, column.type)


def _one_of_many(table: str, column: Column, name: str) -> dict[str, Any]:
    said = f"one column of many: {column.meaning} ({column.unit})"
    return _described(table, name, said, column.type)


def _described(table: str, name: str, said: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{name}",
        "name": name,
        "description": said,
        "dataType": TYPES[kind],
        "source": {"fileObject": {"@id": _table(table)}, "extract": {"column": name}},
    }
