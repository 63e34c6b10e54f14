# A CMake toolchain: MinGW's GCC for Windows, with the threads of POSIX, which libstdc++ needs for <thread>. Programs are
# linked statically, so that they run without MinGW's DLLs. Set MINGW_PACKAGES to a folder with libraries for Windows, and
# MINGW_EMULATOR to a program that runs the tests.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MINGW_PACKAGES MINGW_EMULATOR)
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)

set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
# libstdc++ 12 and 13.1 for Windows contain std::type_info::operator==, which is also inline in C++23 (GCC's bug 110572).
# The stacks of threads have 8 MiB, as on Linux.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -Wl,--allow-multiple-definition -Wl,--stack,8388608")
set(CMAKE_USER_MAKE_RULES_OVERRIDE_CXX ${CMAKE_CURRENT_LIST_DIR}/mingw_lld.cmake)
if(MINGW_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${MINGW_EMULATOR})
endif()

# Packages come only from these folders, not from this system.
set(CMAKE_FIND_ROOT_PATH ${MINGW_PACKAGES} /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
