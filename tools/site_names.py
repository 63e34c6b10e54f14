# SPDX-License-Identifier: MIT
"""Finds misspelled names in the pages of the site. Part of tools/site.py."""
import re
import xml.etree.ElementTree as ElementTree

from check_pages import without_code

code = re.compile(r"`([^`]+)`")
qualified = re.compile(r"(?<![\w:/<])[a-z]\w*(?:::~?\w+)+")
# Targets of CMake, and functions of a header in detail/ that users may include.
others = {"eddy::eddy", "eddy::module", "eddy::inspect::waits_as"}
# Guides for users of other libraries have the names of those.
of_others = re.compile(r"coming-from-|compare/")


class Names:
    """The names in a tag file of Doxygen, with and without the namespaces before them."""

    def __init__(self, tags):
        self.known, self.heirs, self.namespaces = set(others), set(), {"eddy"}
        for compound in ElementTree.parse(tags).getroot():
            scope = compound.findtext("name")
            members = {m.findtext("name") for m in compound.iter("member")} | {v.text for v in compound.iter("enumvalue")}
            enums = {f"{m.findtext('name')}::{v.text}" for m in compound.iter("member") for v in m.iter("enumvalue")}
            for name in [scope, *(f"{scope}::{member}" for member in members | enums)]:
                parts = name.split("::")
                self.known.update("::".join(parts[i:]) for i in range(len(parts)))
                if compound.find("base") is not None:  # the tag file does not list what is inherited
                    self.heirs.update("::".join(scope.split("::")[i:]) for i in range(len(scope.split("::"))))
            if compound.get("kind") == "namespace":
                self.namespaces.add(scope.split("::")[-1])

    def is_misspelled(self, name):
        return name.split("::")[0] in self.namespaces and name not in self.known and name.rpartition("::")[0] not in self.heirs


def misspelled(top, pages, tags):
    """Returns the names in the code of sentences that begin with a namespace of eddy and do not exist, as lines."""
    names = Names(tags)
    return [f"{page}:{number}: there is no {name}" for page in pages if not of_others.search(page)
            for number, line in without_code((top / page).read_text().splitlines())
            for text in code.findall(line) for name in qualified.findall(text) if names.is_misspelled(name)]
