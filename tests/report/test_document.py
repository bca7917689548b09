import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from graphfuse.report import write_report

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Outline(HTMLParser):
    """Every tag with its attributes; complains about tags that are not closed."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("jane") / "report.html"
    assert write_report(result, path, arguments={"cohort": str(path), "folds": 3}) == path
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page)


def test_nobody_is_named(page, result):
    assert "canary" not in page
    assert "jane" not in page
    for name in (os.path.expanduser("~/"), os.getcwd()):
        assert name not in page


def test_nothing_is_loaded_from_anywhere(outline):
    views = [Outline(attrs["srcdoc"]) for attrs in outline.named("iframe")]
    assert len(views) == 1
    for part in (outline, *views):
        assert not part.named("link")
        for _, attrs in part.tags:
            for key in ("src", "href", "data", "poster", "srcset", "action"):
                assert (attrs.get(key) or "data:").startswith(("data:", "#"))


def test_styles_load_nothing_and_the_browser_is_told_to_allow_nothing(page, outline):
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert "@import" not in style
    assert "url(" not in style
    (policy,) = [attrs["content"] for attrs in outline.named("meta") if "http-equiv" in attrs]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_names_from_the_data_are_escaped(page, outline):
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not outline.named("script")


def test_the_page_is_well_formed_and_accessible(outline):
    assert outline.open == []
    assert all(attrs["alt"] for attrs in outline.named("img"))
    assert all(attrs.get("scope") in ("row", "col") for attrs in outline.named("th"))
    assert len(outline.named("h1")) == 1
    assert len(outline.named("caption")) == len(outline.named("table"))
    targets = {attrs["id"] for _, attrs in outline.tags if "id" in attrs}
    assert all(attrs["href"][1:] in targets for attrs in outline.named("a"))


def test_it_says_what_it_must(page, result):
    for text in (
        "uses test features, cannot score a new patient without refit",
        "Nadeau–Bengio",  # noqa: RUF001
        "fusion-no-edges",
        "fusion-shuffled-edges",
        "Integrated gradients",
        "not a cause",
        "ados_like",
        "scikit-learn",
    ):
        assert text in page
    assert all(name in page for name in result.model_names)


def test_a_cohort_without_sites_and_fitted_models_has_a_page_too(result, tmp_path):
    bare = replace(result, cohort=replace(result.cohort, site=None), fitted={}, estimators={})
    page = write_report(bare, tmp_path / "bare.html").read_text(encoding="utf-8")
    assert "no site column" in page
    assert "No fitted graph model" in page
    assert "No graph model was evaluated" in page


def test_the_file_is_whole_or_not_there(result, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr("graphfuse.report.document.provenance", lambda *_: {}["fails"])
    with pytest.raises(KeyError):
        write_report(replace(result, fitted={}), path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
