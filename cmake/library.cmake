# Functions for the CMakeLists.txt of a library. A library is a folder with include/, src/ and tests/. Its files are found by
# their place: all headers in include/, all sources in src/.

# Sets `result` to the files of the current folder that match a pattern. A new file is found by the next build.
function(eddy_files result pattern)
  set(depends CONFIGURE_DEPENDS)
  if(CMAKE_SCRIPT_MODE_FILE)
    set(depends)
  endif()
  file(GLOB_RECURSE files ${depends} RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${pattern})
  set(${result} ${files} PARENT_SCOPE)
endfunction()

# Sets `result` to the sources in src/ for this system. A file for all systems is in src/sys itself; one for some of them is in a
# folder there, which is named after them. If several folders have a file of the same name, the first one in `folders` counts.
function(eddy_sources result)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    set(folders linux posix)
    if(EDDY_TEST_KQUEUE AND NOT EDDY_TEST_LIBKQUEUE) # the kqueue(2) of the tests
      list(PREPEND folders kqueue)
    endif()
  elseif(CMAKE_SYSTEM_NAME MATCHES "^(Darwin|FreeBSD|NetBSD|OpenBSD)$")
    string(TOLOWER ${CMAKE_SYSTEM_NAME} name)
    string(REPLACE darwin macos name ${name})
    set(folders ${name} kqueue bsd posix not_linux)
  elseif(CMAKE_SYSTEM_NAME STREQUAL "Windows")
    set(folders windows not_linux)
  else()
    message(FATAL_ERROR "eddy compiles for Linux, macOS, FreeBSD, NetBSD, OpenBSD and Windows only; this is ${CMAKE_SYSTEM_NAME}")
  endif()
  eddy_files(files src/*.cpp)
  list(FILTER files EXCLUDE REGEX "^src/sys/.+/")
  set(names)
  foreach(folder IN LISTS folders)
    eddy_files(here src/sys/${folder}/*.cpp)
    foreach(file IN LISTS here)
      cmake_path(GET file FILENAME name)
      if(NOT name IN_LIST names)
        list(APPEND names ${name})
        list(APPEND files ${file})
      endif()
    endforeach()
  endforeach()
  set(${result} ${files} PARENT_SCOPE)
endfunction()

# Compiles the sources of a target in batches, which takes a third of the time. The batches are groups, so that
# runtime/tests/CMakeLists.txt can put files that it replaces into a group of their own. Files that match the optional second
# argument are a batch of their own, too, and so are those that match the third, which are compiled for size.
function(eddy_unity_build target)
  get_target_property(files ${target} SOURCES)
  list(FILTER files INCLUDE REGEX "\\.cpp$")
  set(small)
  if(ARGC GREATER 2)
    set(small ${files})
    list(FILTER small INCLUDE REGEX "${ARGV2}")
  endif()
  if(EDDY_UNITY_BATCH_SIZE GREATER 1)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    if(small)
      set_source_files_properties(${small} PROPERTIES UNITY_GROUP small)
      list(REMOVE_ITEM files ${small})
      set(small ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${target}.dir/Unity/unity_small_cxx.cxx)
    endif()
    set(number 0)
    foreach(file IN LISTS files)
      if(ARGC GREATER 1 AND file MATCHES "${ARGV1}")
        set_source_files_properties(${file} PROPERTIES UNITY_GROUP apart)
        continue()
      endif()
      math(EXPR group "${number} / ${EDDY_UNITY_BATCH_SIZE}")
      math(EXPR number "${number} + 1")
      set_source_files_properties(${file} PROPERTIES UNITY_GROUP ${group})
    endforeach()
    # GCC treats all files but the first as headers, and warns about coroutines with lambdas in their frames.
    # It also warns about lists of local objects, because it does not see that their destructors remove them.
    # A parameter may have the name of a variable in the unnamed namespace of another file.
    target_compile_options(${target} PRIVATE -Wno-shadow "$<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage;-Wno-dangling-pointer>")
  endif()
  if(small)
    set_source_files_properties(${small} PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release,RelWithDebInfo>:-Os>")
  endif()
endfunction()

# The linker's option that removes the functions and objects which nothing refers to. Each has a section of its own in the
# static libraries, so that a program has only those that it uses: a hello is less than half as large.
set(eddy_gc_option)
if(APPLE)
  set(eddy_gc_option -dead_strip)
elseif(UNIX)
  set(eddy_gc_option --gc-sections)
endif()

function(eddy_gc_sections target)
  if(eddy_gc_option)
    target_compile_options(${target} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-ffunction-sections;-fdata-sections>)
    target_link_options(${target} INTERFACE $<$<NOT:$<CONFIG:Debug>>:LINKER:${eddy_gc_option}>)
  endif()
endfunction()

# A shared library exports only what EDDY_API marks (eddy/detail/export.hpp), except for the tests, which call private
# functions. A static library hides nothing: its user decides.
function(eddy_hide_symbols target)
  if(BUILD_SHARED_LIBS AND (EDDY_TEST_EXPORTS OR NOT EDDY_BUILD_TESTS))
    set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    # Otherwise a library that calls a hidden function of another one links, and ends the program at the call.
    if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
      target_link_options(${target} PRIVATE LINKER:-z,defs)
    endif()
  endif()
endfunction()

# Gives a library the headers in a folder. Those in a folder `detail` are required by templates, and not part of the public API.
function(eddy_headers target scope folder)
  eddy_files(headers ${folder}/*.hpp)
  if(NOT WIN32)
    list(FILTER headers EXCLUDE REGEX "/net/named_pipe.hpp$") # Windows only
  endif()
  set(detail ${headers})
  list(FILTER headers EXCLUDE REGEX "/detail/")
  list(FILTER detail INCLUDE REGEX "/detail/")
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS ${folder} FILES ${headers})
  if(detail)
    target_sources(${target} ${scope} FILE_SET detail TYPE HEADERS BASE_DIRS ${folder} FILES ${detail})
  endif()
endfunction()

# What all code of eddy, and all code that uses it, is compiled with.
function(eddy_base_options target)
  if(EDDY_NO_THREADS)
    target_compile_definitions(${target} PUBLIC EDDY_NO_THREADS)
  else()
    find_package(Threads REQUIRED)
    target_link_libraries(${target} PUBLIC Threads::Threads)
  endif()
  target_compile_features(${target} PUBLIC cxx_std_23)
  # Checks for mistakes in the program that uses eddy. The definitions reach that program too, with the configuration that
  # it is built in, which may differ from that of the library.
  if(EDDY_CHECKS STREQUAL "AUTO")
    target_compile_definitions(${target} PUBLIC $<$<CONFIG:Debug>:EDDY_CHECKS=1> $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
  elseif(EDDY_CHECKS)
    target_compile_definitions(${target} PUBLIC EDDY_CHECKS=1 _GLIBCXX_ASSERTIONS)
  endif()
  # Clang 17 and 18 report an old version of concepts, so libstdc++ hides std::expected from them. They can compile it.
  set(old_clang $<AND:$<COMPILE_LANG_AND_ID:CXX,Clang>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,19>>)
  target_compile_options(${target} PUBLIC $<${old_clang}:-D__cpp_concepts=202002L> $<${old_clang}:-Wno-builtin-macro-redefined>)
endfunction()

# eddy_library(TARGET NAME DESCRIPTION): gives a library the name eddy::NAME, the headers in include/, and the project's version.
function(eddy_library target name description)
  set_property(GLOBAL APPEND PROPERTY EDDY_TARGETS ${target})
  add_library(eddy::${name} ALIAS ${target})
  get_target_property(type ${target} TYPE)
  set(scope PUBLIC)
  if(type STREQUAL "INTERFACE_LIBRARY")
    set(scope INTERFACE)
  else()
    target_include_directories(${target} PRIVATE src)
    set_target_properties(${target} PROPERTIES
        ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    )
    if(type STREQUAL "STATIC_LIBRARY")
      eddy_gc_sections(${target})
    endif()
    eddy_hide_symbols(${target})
  endif()
  eddy_headers(${target} ${scope} include)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} EDDY_DESCRIPTION "${description}")
endfunction()
