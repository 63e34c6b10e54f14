# Sets files_not_for_this_system: the tests and examples in tests/support/bsd/not_built.tsv that do not compile for this
# system, if it is macOS or a BSD.
string(TOLOWER "${CMAKE_SYSTEM_NAME}" system)
string(REPLACE darwin macos system "${system}")
set(not_built ${CMAKE_CURRENT_LIST_DIR}/../tests/support/bsd/not_built.tsv)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${not_built})
set(files_not_for_this_system)
if(system MATCHES "^(macos|freebsd|netbsd|openbsd)$")
  file(STRINGS ${not_built} files_not_for_this_system REGEX "^[^#\t]+\t(all|([a-z]+ )*${system}( [a-z]+)*)\t")
  list(TRANSFORM files_not_for_this_system REPLACE "\t.*" "")
endif()
