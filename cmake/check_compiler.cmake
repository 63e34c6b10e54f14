# Refuses a compiler that cannot build eddy with a sentence, before it would with a thousand errors. GCC older than 12
# sees coroutine parameters before they were moved into the frame, and has no std::expected; Clang older than 19 cannot
# use the std::expected of libstdc++. Compilers that are neither are tried without a promise.
# (No target or cache is touched, so tests/CMakeLists.txt can also run this file as a script.)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "eddy needs GCC 12 or later; this is GCC ${CMAKE_CXX_COMPILER_VERSION}. "
                      "Choose another compiler with -DCMAKE_CXX_COMPILER=..., in an empty build folder.")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 19)
  message(FATAL_ERROR "eddy needs Clang 19 or later; this is Clang ${CMAKE_CXX_COMPILER_VERSION}. "
                      "Choose another compiler with -DCMAKE_CXX_COMPILER=..., in an empty build folder.")
endif()
