# A CMake toolchain: Zig's compiler for another system. Set ZIG to the program, and ZIG_TARGET to a processor and a
# system, for example x86_64-freebsd. Zig brings the headers and the C and C++ libraries of the system.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZIG ZIG_TARGET ZIG_PACKAGES)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR "${ZIG_TARGET}")
string(REGEX REPLACE "^[^-]*-([a-z]*).*" "\\1" system "${ZIG_TARGET}")
set(systems_macos Darwin)
set(systems_freebsd FreeBSD)
set(systems_netbsd NetBSD)
set(systems_openbsd OpenBSD)
set(systems_linux Linux)
set(CMAKE_SYSTEM_NAME ${systems_${system}})

set(CMAKE_C_COMPILER ${ZIG} cc -target ${ZIG_TARGET})
set(CMAKE_CXX_COMPILER ${ZIG} c++ -target ${ZIG_TARGET})
foreach(language IN ITEMS C CXX)
  # Zig turns UndefinedBehaviorSanitizer on unless it optimizes. Programs would need its run-time library.
  set(CMAKE_${language}_FLAGS_INIT -fno-sanitize=undefined)
  set(CMAKE_${language}_ARCHIVE_CREATE "\"${ZIG}\" ar qc <TARGET> <LINK_FLAGS> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "\"${ZIG}\" ar q <TARGET> <LINK_FLAGS> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "\"${ZIG}\" ranlib <TARGET>")
endforeach()
set(CMAKE_USER_MAKE_RULES_OVERRIDE_CXX ${CMAKE_CURRENT_LIST_DIR}/zig_rules.cmake)
# Only needed to install shared libraries.
set(CMAKE_INSTALL_NAME_TOOL true)

# Packages come only from the folder ZIG_PACKAGES, not from this system.
set(CMAKE_FIND_ROOT_PATH ${ZIG_PACKAGES})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
