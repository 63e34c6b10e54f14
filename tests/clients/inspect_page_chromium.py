"""Opens the page of examples/inspect_page with a headless Chromium: inspect_page_chromium.py URL [FOLDER]

At the width of a small phone and of a desktop, light and dark. FOLDER gets screenshots.
"""
import asyncio
import base64
import pathlib
import sys

from chromium import LIMIT, browser, open_window


async def use_page(devtools, url, shots):
    window = await open_window(devtools, url)
    await window.wait_for("document.querySelectorAll('#tasks details').length >= 3")
    await window.wait_for("document.querySelectorAll('#workers .worker').length > 0")
    await window.wait_for("document.querySelectorAll('#durations .bars').length == 2")
    backgrounds = set()
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            await window.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 700)
            await window.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            await window.run("document.querySelectorAll('#tasks details').forEach(one => one.open = true)")
            wide = await window.run("document.documentElement.scrollWidth")
            assert wide <= width, f"the page has a width of {wide} in a window of {width}"
            backgrounds.add(await window.run("getComputedStyle(document.body).backgroundColor"))
            if shots:
                shot = await window.call("Page.captureScreenshot")
                (shots / f"{width}_{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
    assert len(backgrounds) == 2, "light and dark look the same"
    unnamed = await window.run("[...document.querySelectorAll('button, input, [role=img]')].filter(one => "
                               "!(one.ariaLabel || one.textContent || one.labels?.length)).length")
    assert unnamed == 0, "controls have no accessible names"
    await window.run("at('filter').value = 'SERVE_TABLES'; at('filter').dispatchEvent(new Event('input'))")
    await window.wait_for("document.querySelectorAll('#tasks details').length == 1")
    title = await window.run("document.querySelector('#tasks summary').textContent")
    assert title.startswith("100 tasks, waits"), title
    # The open state survives a refresh.
    await window.run("document.querySelector('#tasks details').open = true")
    before = await window.run("at('state').textContent")
    await window.wait_for(f"at('state').textContent != {before!r}")
    assert await window.run("document.querySelector('#tasks details').open")


def main():
    shots = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    with browser() as devtools:
        asyncio.run(asyncio.wait_for(use_page(devtools, sys.argv[1], shots), LIMIT))
    print("inspect_page: Chromium shows the page")


if __name__ == "__main__":
    main()
