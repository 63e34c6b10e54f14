# Refuses a compiler that cannot build eddy, with one sentence instead of a thousand errors.
#   GCC before 12     uses coroutine parameters before it moves them into the frame, and has no std::expected
#   Clang before 17   lacks parts of C++20 that the library uses
#   Clang 17, 18      can use the std::expected of libstdc++ only with the option that runtime/CMakeLists.txt sets
# Other compilers are not tested, and not refused. (tests/CMakeLists.txt also runs this file as a script.)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "eddy needs GCC 12 or later; this is GCC ${CMAKE_CXX_COMPILER_VERSION}. "
                      "Choose another compiler with -DCMAKE_CXX_COMPILER=..., in an empty build folder.")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 17)
  message(FATAL_ERROR "eddy needs Clang 17 or later; this is Clang ${CMAKE_CXX_COMPILER_VERSION}. "
                      "Choose another compiler with -DCMAKE_CXX_COMPILER=..., in an empty build folder.")
endif()

# Clang 17 in C++23 mode cannot compile the std::thread of libstdc++ 14 and later.
if(NOT CMAKE_SCRIPT_MODE_FILE AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 18)
  include(CheckCXXSourceCompiles)
  unset(EDDY_STANDARD_LIBRARY_SERVES CACHE) # a failure would be kept although CMAKE_CXX_FLAGS now name another library
  set(CMAKE_REQUIRED_FLAGS "-std=c++23 -D__cpp_concepts=202002L -Wno-builtin-macro-redefined")
  check_cxx_source_compiles("
    #include <expected>
    #include <thread>
    int main() { std::thread([] {}).join(); return std::expected<int, int>(0).value(); }" EDDY_STANDARD_LIBRARY_SERVES)
  unset(CMAKE_REQUIRED_FLAGS)
  if(NOT EDDY_STANDARD_LIBRARY_SERVES)
    message(FATAL_ERROR "Clang ${CMAKE_CXX_COMPILER_VERSION} cannot use this standard library in C++23. Use Clang 18 or later, or "
                        "libstdc++ 13: -DCMAKE_CXX_FLAGS=--gcc-install-dir=/usr/lib/gcc/<machine>/13")
  endif()
endif()
