"""Writes and reads notes on the page of examples/web_server with a headless Chromium: web_server_chromium.py URL"""
import asyncio
import json
import sys

from chromium import LIMIT, browser, open_window


async def write_notes(devtools, url):
    window = await open_window(devtools, url)
    for day, text in (("friday", "buy tea"), ("saturday", "<b>µ ☃</b>")):
        await window.run(f"day.value = {json.dumps(day)}; text.value = {json.dumps(text)}; "
                         "document.forms[0].requestSubmit()")
        await window.wait_for(f"[...all.children].some(one => one.textContent == {json.dumps(f'{day}: {text}')})")
    other = await open_window(devtools, url)
    await other.wait_for("[...all.children].some(one => one.textContent == 'friday: buy tea')")


def main():
    with browser() as devtools:
        asyncio.run(asyncio.wait_for(write_notes(devtools, sys.argv[1]), LIMIT))
    print("web_server: Chromium writes and reads notes")


if __name__ == "__main__":
    main()
