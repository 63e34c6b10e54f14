# SPDX-License-Identifier: MIT
"""Makes the search of the site, which finds names and prose. Part of tools/site.py.

Doxygen's own search finds only names. Its field stays. site_search.js answers in its place, with an index of the sections of
all pages and of the names of the reference, which a browser loads when the field is used for the first time.
"""
import json
import pathlib
import re
import shutil
import xml.etree.ElementTree as ElementTree

from check_pages import fence, link, slug_of

here = pathlib.Path(__file__).resolve().parent
kinds = {"class", "struct", "concept", "namespace"}


def plain(line):
    """Returns a line without the signs of Markdown and HTML."""
    line = link.sub(lambda found: found[0][1 : found[0].rindex("](")], line)
    line = re.sub(r"!\[([^\]]*)\]\([^)]*\)|<!--.*?-->|</?\w[^>]*>(?![^`]*`)|^\s*(?:[-*|>]|#+|\d+[.]) ?|\|?[-:]{2,}\||[|]", " ", line)
    return " ".join(re.sub(r"[*`]", "", line).split())


def sections_of(text, url):
    """Yields [heading, title of the page, address, text] of each section of a page; url(anchor) returns its address."""
    title, heading, address, lines, slugs, inside = "", "", url(""), [], set(), False
    for line in text.splitlines():
        found = re.match(r"(#{1,6}) (.+)$", line)
        if inside or fence.match(line):
            inside = line.strip() != "```" if inside else True
        elif found:
            if heading:
                yield [heading, title, address, " ".join(lines)]
            anchor = slug_of(found[2], slugs)
            slugs.add(anchor)
            heading, lines = plain(found[2]), []
            title = title or heading
            address = url(anchor if len(found[1]) > 1 else "")
        elif words := plain(line):
            lines.append(words)
    yield [heading, title, address, " ".join(lines)]


def names_of(tags):
    """Returns [name, address] of eddy's classes, functions, ... in a tag file of Doxygen."""
    found = {}
    for compound in ElementTree.parse(tags).getroot():
        scope = compound.findtext("name")
        if compound.get("kind") not in kinds or not scope.startswith("eddy"):
            continue
        file = compound.findtext("filename")
        found.setdefault(scope, file if file.endswith(".html") else file + ".html")
        for member in compound.iter("member"):
            if member.get("kind") != "friend":
                file = member.findtext("anchorfile")
                found.setdefault(f"{scope}::{member.findtext('name')}", f"{file}#{member.findtext('anchor')}")
                for value in member.iter("enumvalue"):
                    found.setdefault(f"{scope}::{member.findtext('name')}::{value.text}", f"{value.get('file')}#{value.get('anchor')}")
    return sorted([name, url] for name, url in found.items())


def write(site, tags, sections):
    """Writes the search into a site, in place of Doxygen's."""
    folder = site / "search"
    for file in [*folder.glob("*.js"), *folder.glob("*.html")]:
        file.unlink()
    shutil.copy(here / "site_search.js", folder / "search.js")
    # The addresses begin in search/.
    index = {"sections": [[heading, title, f"../{url}", text] for heading, title, url, text in sections],
             "names": [[name, f"../{url}"] for name, url in names_of(tags)]}
    (folder / "index.js").write_text(f"searchIndex = {json.dumps(index, ensure_ascii=False, separators=(',', ':'))};\n")
