# Zig calls its linker if it sees -emit-pch, which CMake passes. Without this option, `-x c++-header` has the same effect.
set(CMAKE_CXX_COMPILE_OPTIONS_CREATE_PCH -Xclang -include -Xclang <PCH_HEADER> -x c++-header)
