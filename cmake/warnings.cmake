# The warnings for development. The presets turn them into errors (CMAKE_COMPILE_WARNING_AS_ERROR). Users do not get
# them.
add_compile_options(
  -Wall
  -Wextra
  -Wpedantic
  -Wshadow
  -Wconversion
  -Wno-sign-conversion # mixing std::size_t with ssize_t or differences is common in system code
  -Wnon-virtual-dtor
  -Woverloaded-virtual
  -Wextra-semi
  -Wcast-qual
  -Wno-missing-field-initializers) # {.backlog = 8} is the intended use of an option struct
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(
    -Wduplicated-cond
    -Wlogical-op
    # GCC 12 reports false positives in its own std::string (GCC bug 105329).
    -Wno-restrict)
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_compile_options(-Wthread-safety)
endif()
