# eddy_check(TARGET [OPTION...]): adds the target eddy_check_TARGET, which runs eddy-check on the sources of TARGET. It
# reports the co_await expressions that a version of GCC miscompiles, and locks that are held across a co_await
# (docs/compilers.md). It needs Python 3 and clang-query. OPTION is an option of eddy-check, for example
# --discarded-results.
#
# In the source tree, the script is in tools/. In an installed package, eddyConfig.cmake sets eddy_check_folder, except
# in a package of Conan, which has an eddyConfig.cmake of its own.
if(NOT DEFINED eddy_check_folder)
  set(eddy_check_folder ${CMAKE_CURRENT_LIST_DIR}/../tools)
  if(NOT EXISTS ${eddy_check_folder}/eddy-check)
    set(eddy_check_folder ${CMAKE_CURRENT_LIST_DIR}/../../../bin)
  endif()
endif()
get_filename_component(eddy_check_folder ${eddy_check_folder} ABSOLUTE)
set_property(GLOBAL PROPERTY EDDY_CHECK_SCRIPT ${eddy_check_folder}/eddy-check)
unset(eddy_check_folder)

function(eddy_check target)
  get_property(script GLOBAL PROPERTY EDDY_CHECK_SCRIPT)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(NOT Python3_FOUND) # a program that is not checked does not need it
    add_custom_target(eddy_check_${target}
      COMMAND ${CMAKE_COMMAND} -E echo "eddy_check needs Python 3 (Debian: python3); install it, and run CMake again"
      COMMAND ${CMAKE_COMMAND} -E false VERBATIM)
    return()
  endif()
  set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS ON)
  get_target_property(folder ${target} SOURCE_DIR)
  set(list ${CMAKE_CURRENT_BINARY_DIR}/eddy_check_${target}.txt)
  file(GENERATE OUTPUT ${list} CONTENT "$<TARGET_PROPERTY:${target},SOURCES>\n")
  add_custom_target(eddy_check_${target}
    COMMAND ${Python3_EXECUTABLE} ${script} -p ${CMAKE_BINARY_DIR} --sources ${list} ${ARGN}
    WORKING_DIRECTORY ${folder}
    COMMENT "Checking the coroutines of ${target}"
    VERBATIM USES_TERMINAL)
endfunction()

# With GCC, mentions the checker once per run of CMake.
get_property(eddy_check_mentioned GLOBAL PROPERTY EDDY_CHECK_MENTIONED)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT eddy_check_mentioned AND NOT eddy_FIND_QUIETLY)
  message(STATUS "eddy: GCC ${CMAKE_CXX_COMPILER_VERSION} miscompiles some co_await expressions. To find them, call "
                 "eddy_check(<target>) and build eddy_check_<target>; see docs/compilers.md")
  set_property(GLOBAL PROPERTY EDDY_CHECK_MENTIONED TRUE)
endif()
unset(eddy_check_mentioned)
