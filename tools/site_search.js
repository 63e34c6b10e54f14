// SPDX-License-Identifier: MIT
// The search of the documentation site; see site_search.py. The pages call SearchBox and init_search().

let searchIndex = null; // index.js sets it

const searchScript = document.currentScript.src;
const unimportant = new Set("a an and are as at by can do does eddy for from get how i if in is it make my need of on or set should the this to use want what when where which with you".split(" "));

// Returns a word without its ending: "reading" is "read", and "logging" is "log".
function stemOf(word) {
    const short = word.length > 3 ? word.replace(/(ing|ed|es|s)$/, "") : word;
    return /(ing|ed)$/.test(word) ? short.replace(/([bdgmnprt])\1$/, "$1") : short;
}

// Returns the words of a question, without their endings: "reading files" finds "read" and "file".
function stemsOf(question) {
    const words = question.toLowerCase().split(/[^a-z0-9_:+]+/).filter(Boolean);
    const important = words.filter(word => !unimportant.has(word));
    return (important.length ? important : words).map(stemOf);
}

// Returns how often a text has words that begin with the stem.
function count(text, stem) {
    let found = 0;
    for (let at = text.indexOf(stem); at >= 0 && found < 4; at = text.indexOf(stem, at + 1))
        if (at === 0 || !/[a-z0-9]/.test(text[at - 1])) ++found;
    return found;
}

// Finds the sections that have all words, or else those that have the most. Words of the heading and of the page's title count
// more, and so do words in a row.
function sectionsFor(question) {
    const stems = stemsOf(question);
    const phrase = stems.join(" ");
    const found = [];
    for (const [heading, title, url, text] of searchIndex.sections) {
        const head = heading.toLowerCase(), page = title.toLowerCase(), body = text.toLowerCase();
        const points = stems.map(stem => 8 * Math.min(count(head, stem), 1) + 5 * Math.min(count(page, stem), 1) + count(body, stem));
        const words = points.filter(each => each > 0).length;
        if (words === 0) continue;
        let score = points.reduce((sum, each) => sum + each, 0);
        if (stems.length > 1 && body.replace(/-/g, " ").includes(phrase)) score += 6;
        if (stems.length > 1 && head.replace(/-/g, " ").includes(phrase)) score += 12;
        found.push({words, score, heading, title, url, text: excerpt(text, stems)});
    }
    const most = Math.max(...found.map(each => each.words));
    return found.filter(each => each.words === most).sort((a, b) => b.score - a.score).slice(0, 12);
}

function excerpt(text, stems) {
    const places = stems.map(stem => text.toLowerCase().indexOf(stem)).filter(at => at >= 0);
    const from = places.length ? Math.max(0, text.lastIndexOf(" ", Math.min(...places) - 30)) : 0;
    return (from ? "… " : "") + text.slice(from, from + 150) + (from + 150 < text.length ? " …" : "");
}

// Finds names whose last part begins with the words: "tcp stream" and "net::tcp_s" find eddy::net::tcp_stream.
function namesFor(question) {
    const asked = question.trim().toLowerCase().replace(/[\s-]+/g, "_").replace(/\(\)$/, "");
    if (!asked) return [];
    const found = [];
    for (const [name, url] of searchIndex.names) {
        const whole = name.toLowerCase(), at = ("::" + whole).lastIndexOf("::" + asked);
        if (at < 0 || whole.slice(at + asked.length).includes("::")) continue;
        found.push({name, url, order: whole.length + (whole.length > at + asked.length ? 1000 : 0)});
    }
    return found.sort((a, b) => a.order - b.order).slice(0, 6);
}

function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
}

function result(url, head, note, text) {
    const link = element("a", "SRResult", "");
    link.href = new URL(url, searchScript);
    link.append(element("b", "", head), element("span", "", note), element("p", "", text));
    return link;
}

function SearchBox() {
    const get = id => document.getElementById(id);
    const list = element("div", "", "");
    list.id = "SearchResults";

    const load = () => {
        if (get("SearchIndex")) return;
        const script = document.createElement("script");
        script.id = "SearchIndex";
        script.src = new URL("index.js", searchScript);
        script.onload = () => this.show();
        document.head.append(script);
    };

    this.init = () => {
        const field = get("MSearchField"), window = get("MSearchResultsWindow");
        field.value = "";
        field.placeholder = "Search";
        field.autocomplete = "off";
        field.addEventListener("input", this.show);
        field.addEventListener("keydown", event => this.key(event));
        list.addEventListener("keydown", event => this.key(event));
        window.replaceChildren(list);
        document.addEventListener("click", event => {
            if (!event.target.closest("#MSearchBox, #MSearchResultsWindow")) this.CloseResultsWindow();
        });
    };

    this.show = () => {
        const question = get("MSearchField").value;
        load();
        const isOpen = question.trim() !== "" && searchIndex;
        const {left, bottom} = get("MSearchBox").getBoundingClientRect();
        const place = {display: isOpen ? "block" : "none", position: "fixed", left: `${Math.min(left, 12)}px`, top: `${bottom + 6}px`};
        Object.assign(get("MSearchResultsWindow").style, place);
        get("MSearchClose").style.display = isOpen ? "inline-block" : "none";
        if (!isOpen) return;
        const found = [...namesFor(question).map(each => result(each.url, each.name, "", "")),
                       ...sectionsFor(question).map(each => result(each.url, each.heading, each.heading === each.title ? "" : each.title, each.text))];
        list.replaceChildren(...(found.length ? found : [element("p", "SRStatus", "Nothing has these words.")]));
        list.scrollTop = 0;
    };

    // Enter opens the first result, the arrows move through the results.
    this.key = event => {
        const results = [get("MSearchField"), ...list.querySelectorAll("a")];
        const at = results.indexOf(document.activeElement);
        if (event.key === "Enter" && at === 0 && results.length > 1) results[1].click();
        else if (event.key === "ArrowDown") results[Math.min(at + 1, results.length - 1)].focus();
        else if (event.key === "ArrowUp") results[Math.max(at - 1, 0)].focus();
        else if (event.key === "Escape") this.CloseResultsWindow();
        else return;
        event.preventDefault();
    };

    this.CloseResultsWindow = () => {
        get("MSearchField").value = "";
        this.show();
    };

    // The other names that Doxygen's pages call.
    this.OnSearchFieldFocus = isActive => {
        get("MSearchBox").className = isActive ? "MSearchBoxActive" : "MSearchBoxInactive";
        if (isActive) load();
    };
    this.OnSearchFieldChange = this.OnSearchSelectShow = this.OnSearchSelectHide = this.OnSearchSelectKey = () => {};
}

function init_search() {
    searchBox.init();
}
