import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
from report_inputs import keys, make_inputs

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS, FILES, PARAMETERS
from automind_data.params import ReportParams
from automind_data.report import build_report

HOSTILE = "</style></title><script>alert(1)</script><img src=//x.example onerror='alert(2)'>\"'&"


class Reader(HTMLParser):
    """Collects tags, attributes, visible text, and what each script holds."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.pieces, self.hidden = [], [], [], 0
        self.scripts = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.hidden += tag in {"style", "script"}
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag in {"dd", "td", "th"}:
            self.pieces.append(" ")

    def handle_endtag(self, tag):
        self.hidden -= tag in {"style", "script"}

    def handle_data(self, data):
        if not self.hidden:
            self.pieces.append(data)
        elif self.scripts and self.lasttag == "script":
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))

    @property
    def islands(self):
        """What the page carries as JSON, by id."""
        carried = [each for each in self.scripts if each[0].get("type") == "application/json"]
        return {attributes["id"]: json.loads(text) for attributes, text in carried}

    @property
    def text(self):
        return " ".join("".join(self.pieces).split())


def read(page):
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


def build(root, observation="first"):
    return build_report(root, root / "derived/report", ReportParams(observation=observation))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return build(make_inputs(tmp_path_factory.mktemp("release")))


def test_sample_data_is_called_sample_data(page, tmp_path):
    text = page.read_text()
    (headline,) = re.findall(r"<h1>(.*?)</h1>", text)
    assert "Sample data" in headline
    assert "2031.4" in headline
    assert "not the published AutoMIND data and it is not science" in read(page).text
    assert text.count("sample data</span></h2>") == len(DATASETS) + 1
    other = read(build(make_inputs(tmp_path, sample=False))).text.lower()
    assert "sample data" not in other
    assert "not science" not in other


def test_the_page_needs_nothing_from_outside(page):
    reader = read(page)
    for name, value in reader.attributes:
        if name in {"src", "href", "xlink:href", "srcset", "action", "data", "poster"}:
            assert value.startswith(("#", "data:,")), value
    assert not {"iframe", "img", "object", "embed", "base"} & set(reader.tags)
    assert "action" not in {name for name, _ in reader.attributes}
    styles = re.findall(r"<style>(.*?)</style>", page.read_text(), re.DOTALL)
    assert not re.search(r"@import|url\(", "".join(styles))


def test_only_the_page_s_own_scripts_may_run(page):
    reader = read(page)
    (policy,) = [value for name, value in reader.attributes if "default-src" in (value or "")]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    runs = [text for attributes, text in reader.scripts if not attributes]
    digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in runs}
    assert set(re.findall(r"'sha256-(.*?)'", policy)) == digests
    assert len(digests) == 2


def test_the_library_is_as_published_and_carries_its_licences(page):
    folder = files("automind_data.report") / "vendor"
    lines = (folder / "VERSIONS.txt").read_text().splitlines()[1:]
    libraries = [line.split() for line in lines]
    assert {library[0] for library in libraries} == {
        path.name for path in folder.iterdir() if path.name.endswith(".js")
    }
    html = page.read_text()
    for name, package, version, digest in libraries:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert f"{package} {version}\n" in html
    assert html.count("this permission notice") >= 3


def test_our_scripts_write_text_and_never_markup():
    for path in (files("automind_data.report") / "script").iterdir():
        text = path.read_text(encoding="utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text, path.name
        assert len(text.splitlines()) < 400


def test_links_on_the_page_have_targets(page):
    attributes = read(page).attributes
    ids = [value for name, value in attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    links = {value[1:] for name, value in attributes if name == "href" and value[0] == "#"}
    own = {"explorer", "calibration", "findings", "files", "parameters", "provenance"}
    assert links == {*DATASETS, *own}
    assert links <= set(ids)


def test_the_page_is_small_however_much_is_found(page, tmp_path):
    assert page.stat().st_size < 900_000
    findings = tuple(
        {"severity": "warning", "message": f"finding {i}", "examples": ["long " * 10_000] * 5}
        for i in range(1000)
    )
    crowded = build(make_inputs(tmp_path, findings=findings, n_samples=2000))
    assert crowded.stat().st_size < 5_000_000
    text = read(crowded).text
    assert "Warnings (1000)" in text
    assert "800 more warnings are in derived/validation/findings.jsonl" in text


def test_valid_and_not_valid(page, tmp_path):
    assert re.search(r"(?<!not )\bvalid 0 errors 0 warnings 0 hints 0 notes", read(page).text)
    findings = (
        {"severity": "error", "id": "psd-axis", "message": "The axis is odd.", "count": 12345},
        {"severity": "hint", "message": "A hint.", "examples": [{"row": 3, "value": None}]},
        {"severity": "info", "message": "Counted.", "rule": "Rows are counted."},
    )
    text = read(build(make_inputs(tmp_path, findings=findings))).text
    assert re.search(r"\bnot valid 1 error 0 warnings 1 hint 1 note", text)
    assert "Error: The axis is odd. datasets" in text
    assert "12 345 cases · psd-axis" in text
    assert "row: 3, value: null" in text
    assert (
        text.count("What should hold: ") == text.count("What should hold: Rows are counted.") == 1
    )
    assert re.search(r"Table psd burst training 517.001 243.002 allenvc_summary 18 –", text)


def test_without_a_summary_nothing_is_called_valid(tmp_path):
    make_inputs(tmp_path, without=("derived/validation/summary.json",))
    text = read(build(tmp_path)).text
    assert "not checked" in text
    assert "No validation summary is there" in text


def test_every_file_stands_with_size_md5_and_licence(page):
    text = read(page).text
    for index, file in enumerate(FILES):
        assert file.path in text
        assert f"{index:032x}" in text
    assert "100 kB" in text
    assert "Licence of the data not stated by the release" in text


def test_parameters_and_marginals_have_meaning_and_bounds(page):
    html, text = page.read_text(), read(page).text
    for parameter in PARAMETERS:
        assert f"{parameter.meaning} {parameter.name}" in text
        assert html.count(f'data-symbol="{parameter.name}"') == 1
    assert text.count("membrane capacitance of E") == len(DATASETS) + 1
    assert text.count("−9 to 10") == len(DATASETS)


def test_the_chosen_observation_is_shown(page, tmp_path):
    root = make_inputs(tmp_path)
    chosen = read(build(root, {"organoids": "161029_2_3", "synthetic": "77_31"})).text
    assert "burst and ISI features of 161029_2_3" in chosen
    assert "firing rate spectrum of 77_31" in chosen
    assert "firing rate spectrum of m1_VISp-spont" in chosen
    assert "burst and ISI features of 161001_0" in read(page).text


def test_sampling_is_described(page):
    text = read(page).text
    assert "Acceptance 0.463 ± 0.008" in text
    assert "4 321 made, 2 000 inside the bounds" in text
    assert "Rows kept 60 of type NPE_samples" in text
    assert "Oversample 1 rows are posterior draws" in text
    assert "Seed 20261" in text
    assert "conditioned on 990 powers" in text


def test_picks_are_never_called_posterior_draws(page, tmp_path):
    picks = read(build(make_inputs(tmp_path, oversample=20))).text
    assert picks.count("Rows are top-density picks, not posterior draws") == 1 + len(DATASETS)
    assert "Of 1 200 draws inside the bounds for each observation (oversample 20)" in picks
    assert picks.count("Marginals of the top-density picks") == len(DATASETS)
    assert "60 of type NPE_samples_prune_20" in picks
    for wrong in ("60 posterior draws", "rows are posterior draws", "Marginal posteriors"):
        assert wrong not in picks
        assert wrong in read(page).text
    assert "top-density" not in read(page).text


def test_skipped_observations_have_their_reason(tmp_path):
    make_inputs(tmp_path, skipped={"77_12": "3 of 990 features are missing"})
    text = read(build(tmp_path)).text
    assert "2 observations sampled, 1 skipped" in text
    assert "77_12 skipped: 3 of 990 features are missing" in text
    skipped = read(build(tmp_path, "77_12")).text
    assert "no samples to show for 77_12: 3 of 990 features are missing" in skipped
    assert "firing rate spectrum of 77_12" in skipped


def test_missing_samples_are_said(tmp_path):
    make_inputs(tmp_path, without=("derived/samples/mouse-hc.json", "derived/parameters.csv"))
    text = read(build(tmp_path)).text
    assert "derived/samples/mouse-hc.json is not there." in text
    assert "derived/parameters.csv is not there." in text
    assert text.count("Marginal posteriors against the prior") == len(DATASETS)


def test_what_is_not_derived_is_said(page, tmp_path):
    text = read(page).text
    assert "Not derived: derived/calibration/ is not there." in text
    for name in DATASETS:
        assert f"Not derived: derived/predictive/{name}.parquet is not there." in text
    full = make_inputs(tmp_path, predicted=True, calibrated=True)
    assert "Not derived" not in read(build(full)).text
    (full / "derived/calibration/psd/record.json").unlink()
    text = read(build(full)).text
    assert "Density estimator burst: not usable" in text
    assert "Density estimator psd:" not in text
    assert "Not derived: derived/calibration/psd/ is not there." in text


def test_checks_of_calibration_stand_in_a_table(tmp_path):
    text = read(build(make_inputs(tmp_path, calibrated=True))).text
    assert "training: 77 of 500 simulations; heldout: 77 of 500 simulations." in text
    assert "ranks (SBC) fail what sbc found" in text
    assert "largest deviation: −2.5 ± 0.5, must be 1.5 ± 0.75" in text
    assert "77 < 0.0001" in text
    assert "log-density, prior undecided what prior found" in text


def test_yields_stand_beside_the_claim(tmp_path):
    text = read(build(make_inputs(tmp_path, predicted=True))).text
    assert text.count("2 of 5 samples match (40 %, 95 % interval 10 % to 80 % by bootstrap") == 4
    assert text.count("nearest 10 of 80 held-out simulations from the prior") == 4
    assert text.count("The published notebook says 5 % to 25 %, judged by eye; ours is") == 3
    assert text.count("the noise floor") == 2
    assert text.count("Models: 9 compared, 1 failed, 1 stopped early.") == 4


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("calibration/psd/sbc.csv", "rank,lower\n0.5,0\n", "has no column upper"),
        ("calibration/psd/tarp.csv", "level,lower,upper,covered\na,b,c,d\n", "agreed form"),
        ("calibration/psd/record.json", '{"dgm": 5}', "agreed form"),
        ("predictive/checks/mouse-hc.json", '{"ranked_by": "x"}', "agreed form"),
        ("predictive/mouse-hc.parquet", None, "has no column predict.rank"),
    ],
)
def test_a_check_of_another_form_is_refused(tmp_path, path, text, said):
    file = make_inputs(tmp_path, predicted=True, calibrated=True) / "derived" / path
    if text is None:
        pl.read_parquet(file).drop("predict.rank").write_parquet(file)
    else:
        file.write_text(text)
    with pytest.raises(AutomindError, match=said) as refusal:
        build(tmp_path)
    assert refusal.value.file == str(file)


def test_every_figure_is_traced_to_a_published_file(page):
    text = read(page).text
    trace = text.partition("From file to figure Every figure")[2]
    for name in DATASETS:
        index = [file.path for file in FILES].index(f"discovered_posterior_samples/{name}.zip")
        assert (
            f"datasets/discovered_posterior_samples/{name}.zip {index:012x}"[:-12] in trace
            and f"→ tabulate@{name} → derived/tables/{name}.parquet" in trace
        )
        assert f"→ sample@{name} → derived/samples/{name}.parquet" in trace


def test_hostile_text_stays_text(page, tmp_path):
    finding = {
        "severity": "error", "message": HOSTILE, "file": HOSTILE, "dataset": HOSTILE,
        "id": HOSTILE, "examples": [HOSTILE, {HOSTILE: [HOSTILE]}],
    }  # fmt: skip
    make_inputs(tmp_path, findings=(finding,))
    path = tmp_path / "datasets/release.json"
    release = json.loads(path.read_text())
    path.write_text(
        json.dumps(release | dict.fromkeys(("release", "kind", "address", "licence"), HOSTILE))
    )
    path = tmp_path / "derived/samples/synthetic.json"
    samples = json.loads(path.read_text())
    samples["observations"] += [{"x_o": HOSTILE, "status": "skipped", "reason": HOSTILE}]
    path.write_text(json.dumps(samples))
    path = tmp_path / "derived/parameters.csv"
    quoted = HOSTILE.replace('"', '""')
    path.write_text(path.read_text() + f'"{quoted}","{quoted}","{quoted}",0,1,"{quoted}"\n')

    reader = read(build(tmp_path, {"synthetic": HOSTILE}))
    assert set(reader.tags) <= set(read(page).tags) | {"article"}
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert reader.text.count("<script>alert(1)</script>") > 10
    ways = [each for each in reader.scripts if not each[0]]
    assert ways == [each for each in read(page).scripts if not each[0]]
    assert reader.islands["data-synthetic"]["chosen"] == HOSTILE
    assert reader.islands["data-synthetic-3"]["reason"] == HOSTILE


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "automind_data", "report", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_equal_inputs_give_equal_bytes(page, tmp_path):
    root = make_inputs(tmp_path)
    made = Path("derived") / "report" / "index.html"
    done = run("derived/report", cwd=root, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert (done.returncode, done.stdout) == (0, f"{made}\n"), done.stderr
    assert (root / made).read_bytes() == page.read_bytes()


def test_a_refusal_is_one_sentence_and_keeps_the_old_page(tmp_path):
    page = build(make_inputs(tmp_path))
    before = page.read_bytes()
    (tmp_path / "datasets/release.json").unlink()
    params = ("--params", str(tmp_path / "params.yaml"))
    done = run("--root", str(tmp_path), *params, str(page.parent))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "release.json: is not there" in done.stderr
    assert page.read_bytes() == before
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]


def test_the_report_does_not_import_the_heavy_packages(tmp_path):
    make_inputs(tmp_path)
    code = (
        "import sys; from automind_data.report import build_report;"
        "from automind_data.params import ReportParams;"
        f"build_report({str(tmp_path)!r}, {str(tmp_path)!r}, ReportParams(observation='first'));"
        "print(*{'torch', 'sbi', 'dvc', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_keys_of_the_fixture_are_unique():
    for table in ("allenvc_summary", "organoid_summary", "synthetic_summary"):
        assert len(set(keys(table))) == len(keys(table))
