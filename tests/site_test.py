#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests the tools of the site: dead links, dead anchors and misspelled names are found, and the links of Doxygen are mended."""
import importlib.util
import pathlib
import sys
import tempfile
import unittest

tools = pathlib.Path(__file__).resolve().parent.parent / "tools"
sys.path.insert(0, str(tools))
import check_links
import site_html
import site_names
import site_search

spec = importlib.util.spec_from_file_location("make_site", tools / "site.py")  # Python has a module "site"
make_site = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_site)


class CheckLinks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.site = pathlib.Path(folder.name).resolve()
        self.write("other.html", '<h1 id="top">Other</h1>')

    def write(self, name, text):
        (self.site / name).write_text(text)

    def problems_of(self, text, name="index.html"):
        self.write(name, text)
        return check_links.check(self.site)

    def test_accepts_living_links(self):
        text = '<a id="here"></a><a href="#here">1</a><a href="other.html#top">2</a><a href="https://example.org/x">3</a>'
        self.assertEqual(self.problems_of(text), [])

    def test_reports_missing_page(self):
        self.assertEqual(self.problems_of('<a href="gone.html">1</a>'), ["index.html: there is no gone.html"])

    def test_reports_file_outside_of_the_site(self):
        outside = self.site.parent / f"{self.site.name}.md"
        outside.touch()
        self.addCleanup(outside.unlink)
        self.assertEqual(self.problems_of(f'<a href="../{outside.name}">1</a>'), [f"index.html: there is no ../{outside.name}"])

    def test_reports_missing_picture(self):
        self.assertEqual(self.problems_of('<img src="gone.svg">'), ["index.html: there is no gone.svg"])

    def test_reports_missing_anchor_of_other_page(self):
        self.assertEqual(self.problems_of('<a href="other.html#gone">1</a>'), ["index.html: other.html has no anchor #gone"])

    def test_reports_missing_anchor_of_same_page(self):
        self.assertEqual(self.problems_of('<a href="#gone">1</a>'), ["index.html: index.html has no anchor #gone"])

    def test_reports_name_that_became_an_address(self):
        self.assertEqual(self.problems_of('<a href="http::client">1</a>'), ["index.html: there is no http::client"])

    def test_reports_missing_anchor_in_navigation(self):
        self.assertEqual(self.problems_of('[["x", "other.html#gone", null]]', "tree.js"), ["tree.js: other.html has no anchor #gone"])

    def test_mends_links_of_doxygen(self):
        self.write("index.html", '<a href="http::serve()">http::serve()</a><div class="summary"><a href="#nested-classes">Classes</a> &#124;\n'
                                 '<a href="#pub">Public</a></div><h2 id="pub"></h2>')
        self.write("tree.js", '[["top", "header.html#top", null], ["gone", "index.html#gone", null]]\nvar NAVTREEINDEX = ["header.html#top"]')
        self.write("header.html", "")
        site_html.mend(self.site)
        self.assertEqual(check_links.check(self.site), [])
        self.assertEqual((self.site / "index.html").read_text(),
                         'http::serve()<div class="summary"><a href="#pub">Public</a></div><h2 id="pub"></h2>')
        self.assertEqual((self.site / "tree.js").read_text(),
                         '[["top", "other.html#top", null], ["gone", "index.html", null]]\nvar NAVTREEINDEX = ["header.html#top"]')


class Headers(unittest.TestCase):
    def test_what_is_for_the_library_is_left_out(self):
        text = ("class a {\npublic:\n    /// Returns 1.\n    int one();\n\n    /// For the library: returns 2,\n    /// always.\n"
                "    int two() {\n        return 2;\n    }\n\nprivate:\n    friend class b;\n};\n\n/// For the library.\n#define A \\\n    1\n")
        self.assertEqual(make_site.for_doxygen(text).split(), "class a { public: /// Returns 1. int one(); private: };".split())

    def test_each_declaration_of_a_group_is_documented_except_destructors_copies_and_moves(self):
        text = "class a {\npublic:\n    /// Makes one.\n    a();\n    a(int);\n    a(const a&);\n    a& operator=(a&& b);\n    ~a();\n};\n"
        self.assertEqual(make_site.for_doxygen(text).split(),
                         "class a { public: /// Makes one. a(); /// Makes one. a(int); a(const a&); a& operator=(a&& b); ~a(); };".split())

    def test_docstring_of_a_namespace_is_about_the_header(self):
        self.assertEqual(make_site.for_doxygen("/// Pipes.\nnamespace eddy::net {\n}\n"), "/// @file\n/// Pipes.\nnamespace eddy::net {\n}\n")


tags = """<tagfile><compound kind="namespace"><name>eddy::net</name><filename>namespaceeddy_1_1net</filename></compound>
<compound kind="class"><name>eddy::net::socket</name><filename>socket.html</filename>
<member kind="function"><name>read</name><anchorfile>socket.html</anchorfile><anchor>a1</anchor></member></compound></tagfile>"""


class SiteNames(unittest.TestCase):
    def test_reports_names_that_do_not_exist(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "tags.xml").write_text(tags)
            (folder / "page.md").write_text("`net::socket::read()`, `std::move`\n`net::sokcet`, `eddy::net::socket::raed`\n")
            self.assertEqual(site_names.misspelled(folder, ["page.md"], folder / "tags.xml"),
                             ["page.md:2: there is no net::sokcet", "page.md:2: there is no eddy::net::socket::raed"])


class SiteSearch(unittest.TestCase):
    def test_index_has_the_prose_of_each_section(self):
        page = "# Files\n\nRead *them*.\n\n## Open [files](a.md)\n\n| a | `b` |\n|---|---|\n```cpp\ncode\n```\n"
        self.assertEqual(list(site_search.sections_of(page, lambda anchor: f"files#{anchor}")),
                         [["Files", "Files", "files#", "Read them."], ["Open files", "Files", "files#open-files", "a b"]])


if __name__ == "__main__":
    unittest.main()
