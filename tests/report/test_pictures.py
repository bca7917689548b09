import base64

from matplotlib import pyplot

from graphfuse.errors import InvalidOption
from graphfuse.report.pictures import draw, view


class Page:
    html = '<head><link rel="icon"\n href="https://example.org/x.ico" /><script>a = /<link/i</script></head>'


def refuse():
    raise InvalidOption("no coordinates")


def test_svg_and_png_are_in_the_address():
    for kind, begin in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        picture = draw(lambda: pyplot.figure(), "alt", "", kind)
        assert base64.b64decode(picture.source.split(",")[1]).startswith(begin)


def test_no_figure_stays_open():
    draw(lambda: pyplot.subplots()[1], "alt")
    assert not pyplot.get_fignums()


def test_what_cannot_be_drawn_says_why():
    assert draw(refuse, "alt") == "no coordinates"
    assert view(refuse, "title") == "no coordinates"


def test_the_icon_from_the_network_goes_and_nothing_else():
    assert view(Page, "title").page == "<head><script>a = /<link/i</script></head>"
