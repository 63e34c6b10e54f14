# The warnings we develop with. The presets turn them into errors (CMAKE_COMPILE_WARNING_AS_ERROR); users never see them.
add_compile_options(
  -Wall
  -Wextra
  -Wpedantic
  -Wshadow
  -Wconversion
  -Wno-sign-conversion # a std::size_t beside a ssize_t or a difference is daily bread in system code
  -Wnon-virtual-dtor
  -Woverloaded-virtual
  -Wextra-semi
  -Wcast-qual
  -Wno-missing-field-initializers) # {.backlog = 8} is how an option struct is meant to be used
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(
    -Wduplicated-cond
    -Wlogical-op
    # GCC 12 sees ghosts in its own std::string (GCC bug 105329).
    -Wno-restrict)
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_compile_options(-Wthread-safety)
endif()
