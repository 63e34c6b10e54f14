#!/usr/bin/env bash
# Runs a program for Windows by wine, without a display and without messages of wine itself. The emulator of
# tools/mingw.cmake. WINEPREFIX is the folder that stands for the Windows installation. With EDDY_WINE_CONSOLE, the program
# has a console of its own: wine makes one if a standard descriptor is a terminal, here standard input.
export WINEDEBUG=${WINEDEBUG:--all} WINEDLLOVERRIDES='mscoree=;mshtml=' WINEARCH=win64
export WINEPREFIX=${WINEPREFIX:-${EDDY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/eddy}/windows/wine}
mkdir -p "$(dirname "$WINEPREFIX")"
with_terminal=()
if [[ -n ${EDDY_WINE_CONSOLE:-} ]]; then
    with_terminal=(python3 -c 'import pty, subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], stdin=pty.openpty()[1]).returncode)')
fi
# For GoogleTest on Windows, only a path with a drive is absolute. Z: is the root folder of this system.
exec "${with_terminal[@]}" /usr/lib/wine/wine64 "${@/#--gtest_output=json:\//--gtest_output=json:Z:/}"
