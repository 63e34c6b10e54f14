# The flags of the preset `release`, so that ccache has the objects of the library. For CMAKE_TOOLCHAIN_FILE.
set(CMAKE_CXX_COMPILER g++)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG" CACHE STRING "")
set(CMAKE_COMPILE_WARNING_AS_ERROR ON)
set(EDDY_WARNINGS ON)
