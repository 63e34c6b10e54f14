# SPDX-License-Identifier: MIT
"""Mends the pages that Doxygen 1.9.4 has written. Part of tools/site.py."""
import re

anchor = re.compile(r'\s(?:id|name)="([^"]+)"')
# Doxygen takes each word with a colon whose first part is a scheme for an address: `http::client`, `file::lock()`.
false_link = re.compile(r'<a href="(?!https://)[a-z]+:[^"]*">(.*?)</a>', re.S)
link_to_section = re.compile(r'<a href="#([\w-]+)">[\w ]+</a>(?: &#124;\s*)?')
link_in_script = re.compile(r'"([\w.-]+[.]html)#([\w-]+)"')
keys_begin = "var NAVTREEINDEX"  # in navtreedata.js, after the links: the first keys of navtreeindex*.js
picture = re.compile(r'<object type="image/svg\+xml" data="([\w.-]+)"[^>]*></object>')


def mended_page(text, site):
    text = false_link.sub(r"\1", text)
    text = picture.sub(lambda found: drawing(site / found[1]), text)
    # The summary of a class also links to a list of nested classes that are all hidden.
    summary = re.search(r'<div class="summary">.*?</div>', text, re.S)
    if summary:
        ids = set(anchor.findall(text))
        living = link_to_section.sub(lambda link: link[0] if link[1] in ids else "", summary[0])
        text = text.replace(summary[0], living)
    return text


def drawing(file):
    """Returns an SVG file as a part of a page. Without its own style it has the colors of the page, light or dark."""
    return re.sub(r"<[?]xml.*?>|<style>.*?</style>", "", file.read_text(), flags=re.S)


def mend(site):
    """Mends the pages of a folder, and the links of their navigation."""
    pages = {file.name: file.read_text() for file in site.glob("*.html")}
    ids = {name: set(anchor.findall(text)) for name, text in pages.items()}
    owner = {id: name for name, those in ids.items() for id in those}  # of the ids of members, which are unique

    # The tree has the members of a header, but its links lead to the page of the header, which has no text about them.
    def mended_link(link):
        page, id = link[1], link[2]
        return link[0] if id in ids.get(page, ()) else f'"{owner[id]}#{id}"' if id in owner else f'"{page}"'

    for name, text in pages.items():
        if (better := mended_page(text, site)) != text:
            (site / name).write_text(better)
    for file in [file for file in site.glob("*.js") if not file.name.startswith("navtreeindex")]:
        links, keys, sorted_keys = file.read_text().partition(keys_begin)  # the order of the keys must not change
        if (better := link_in_script.sub(mended_link, links)) != links:
            file.write_text(better + keys + sorted_keys)
