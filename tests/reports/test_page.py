import pytest
import synthetic
from browser import CHROMIUM, browser

from reports.collect.read import read
from reports.render import write_report
from reports.tell.tables import MOST_ROWS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")

TABLE = "[...document.querySelectorAll('table')].at(-1)"
COLUMN = f"[...{TABLE}.tHead.rows[0].cells].findIndex(one => one.textContent === %r)"


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """A page with figures and enough rows, whose names would be markup if they were not escaped."""
    records = [
        record
        for number, units in enumerate(range(4, 40, 4))
        for record in synthetic.pair([100 + 40 * number] * 10, [300] * 10, task="lagged_mean", dial=16, units=units)
    ]
    for kernel in ("loop", "unrolled"):
        records += synthetic.timed(1e-3 if kernel == "loop" else 5e-4, noise=0.05, kernel=kernel)
    records.append(synthetic.memory())
    failed = synthetic.case(task="electricity", window=32)
    records.append(synthetic.record(failed, {}, "failed", message="<img src=x onerror=alert(1)>"))
    folder = synthetic.write(tmp_path_factory.mktemp("results") / "run", records, family=synthetic.family(records))
    return write_report(read(folder)).parent / "report.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        yield one


def column(page, name):
    """Text of a column's visible cells, in order."""
    place = page.run(COLUMN % name)
    assert place >= 0, name
    return page.run(
        f"[...{TABLE}.tBodies[0].rows].filter(row => !row.hidden).map(row => row.cells[{place}].textContent)"
    )


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_fits_fetches_nothing_and_has_no_error(page, html, width):
    page.open(html, width)
    assert page.run("innerWidth") == width
    assert page.run("document.documentElement.scrollWidth") <= width
    requests = [told["request"]["url"] for method, told in page.events if method == "Network.requestWillBeSent"]
    assert requests == [html.resolve().as_uri()]
    told = [
        one
        for one in page.events
        if one[0] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    ]
    assert told == []
    assert page.run("document.querySelectorAll('svg').length") > 3
    assert page.run("document.querySelectorAll('img').length") == 0


def test_a_click_on_a_heading_sorts_by_number_and_a_second_one_turns_it_round(page, html):
    page.open(html, 1200)
    click = f"{TABLE}.tHead.rows[0].cells[{COLUMN % 'units'}].firstChild.click()"
    before = column(page, "units")
    page.run(click)
    assert column(page, "units") == sorted(before, key=int) != before
    page.run(click)
    assert column(page, "units") == sorted(before, key=int, reverse=True)
    assert page.run(f"{TABLE}.querySelectorAll('[aria-sort=descending]').length") == 1


def test_a_table_of_the_report_sorts_by_the_number_that_its_text_begins_with(page, html):
    page.open(html, 1200)
    table = "[...document.querySelectorAll('table')].find(one => one.tHead.textContent.includes('ratio in updates'))"
    place = page.run(f"[...{table}.tHead.rows[0].cells].findIndex(one => one.textContent === 'ratio in updates')")
    page.run(f"{table}.tHead.rows[0].cells[{place}].firstChild.click()")
    cells = page.run(f"[...{table}.tBodies[0].rows].map(row => row.cells[{place}].textContent)")
    values = [float(cell.split()[0]) for cell in cells]
    assert len(values) == MOST_ROWS
    assert values == sorted(values)


def test_it_sorts_by_keyboard(page, html):
    page.open(html, 1200)
    page.run(f"{TABLE}.tHead.rows[0].cells[{COLUMN % 'units'}].firstChild.focus()")
    # What the browser makes of Enter on a button is a click; it must be a button that can be focused.
    assert page.run("document.activeElement.tagName") == "BUTTON"
    page.key("Enter", 13)
    assert column(page, "units") == sorted(column(page, "units"), key=int)
    page.key("Tab", 9)
    assert page.run("document.activeElement.textContent") != "units"


def test_words_filter_rows(page, html):
    page.open(html, 1200)
    page.run(
        f"(() => {{ const input = {TABLE}.parentElement.previousElementSibling; input.value = 'Unrolled update';"
        "input.dispatchEvent(new Event('input')); })()"
    )
    assert set(column(page, "compares")) == {"unrolled / loop"}


def test_the_first_column_and_the_heading_stay_in_sight(page, html):
    page.open(html, 390)
    frame = f"{TABLE}.parentElement"
    page.run(f"{frame}.scrollTo(300, 100)")
    box = f"{frame}.getBoundingClientRect()"
    cell = f"{TABLE}.tHead.rows[0].cells[0].getBoundingClientRect()"
    assert page.run(f"{frame}.scrollLeft") == 300
    assert page.run(f"Math.abs({cell}.left - {box}.left)") < 2
    assert page.run(f"Math.abs({cell}.top - {box}.top)") < 2


def test_it_is_dark_where_the_reader_wants_it(page, html):
    page.open(html, 1200)
    light = page.run("getComputedStyle(document.body).backgroundColor")
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert page.run("getComputedStyle(document.body).backgroundColor") != light
    page.send("Emulation.setEmulatedMedia", features=[])


def test_print_shows_all_of_a_table(page, html):
    page.open(html, 1200)
    page.send("Emulation.setEmulatedMedia", media="print")
    assert page.run(f"getComputedStyle({TABLE}.parentElement).maxHeight") == "none"
    assert page.run("getComputedStyle(document.querySelector('input')).display") == "none"
    page.send("Emulation.setEmulatedMedia", media="")
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run("[...document.querySelectorAll('details')].every(one => one.open)")


def test_every_link_within_the_page_leads_somewhere(page, html):
    page.open(html, 1200)
    lost = "[...document.querySelectorAll('a[href^=\"#\"]')].map(one => one.getAttribute('href').slice(1))"
    assert page.run(f"{lost}.filter(name => !document.getElementById(name))") == []
    assert page.run(f"{lost}.length") > 0


def test_what_a_run_names_is_text(page, html):
    page.open(html, 1200)
    assert page.run("document.body.textContent.includes('<img src=x onerror=alert(1)>')")
