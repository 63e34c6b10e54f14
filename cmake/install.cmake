# `cmake --install`: installs the libraries, their headers, and packages for find_package(eddy) and pkg-config. Components
# can be installed separately: eddy_core, eddy_tls, eddy_http and eddy_ws have one shared library each, and eddy_dev has
# everything that a program needs to be built, also the static libraries.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/eddy)

install(TARGETS eddy EXPORT eddy_targets
        RUNTIME COMPONENT eddy_core LIBRARY COMPONENT eddy_core NAMELINK_COMPONENT eddy_dev ARCHIVE COMPONENT eddy_dev
        FILE_SET HEADERS COMPONENT eddy_dev FILE_SET detail COMPONENT eddy_dev)
install(TARGETS eddy_proto EXPORT eddy_targets FILE_SET HEADERS COMPONENT eddy_dev FILE_SET detail COMPONENT eddy_dev)
install(EXPORT eddy_targets NAMESPACE eddy:: DESTINATION ${package_dir} COMPONENT eddy_dev)

# eddy::tls has its own file of targets, which is read only if OpenSSL is found.
set(eddy_has_tls FALSE)
if(TARGET eddy_tls)
  set(eddy_has_tls TRUE)
  install(TARGETS eddy_tls EXPORT eddy_tls_targets
          RUNTIME COMPONENT eddy_tls LIBRARY COMPONENT eddy_tls NAMELINK_COMPONENT eddy_dev ARCHIVE COMPONENT eddy_dev
          FILE_SET HEADERS COMPONENT eddy_dev)
  install(EXPORT eddy_tls_targets NAMESPACE eddy:: DESTINATION ${package_dir} COMPONENT eddy_dev)
endif()

# eddy::http has its own file of targets, too. A program that links a static eddy::http must link nghttp2, too.
set(eddy_has_http FALSE)
set(eddy_http_needs_zlib FALSE)
set(eddy_http_needs_nghttp2 FALSE)
if(TARGET eddy_http)
  set(eddy_has_http TRUE)
  get_target_property(eddy_http_type eddy_http TYPE)
  if(nghttp2_FOUND AND NOT eddy_http_type STREQUAL "SHARED_LIBRARY")
    set(eddy_http_needs_nghttp2 TRUE)
    install(FILES ${CMAKE_CURRENT_LIST_DIR}/Findnghttp2.cmake DESTINATION ${package_dir} COMPONENT eddy_dev)
  endif()
  if(ZLIB_FOUND AND NOT eddy_http_type STREQUAL "SHARED_LIBRARY")
    set(eddy_http_needs_zlib TRUE)
  endif()
  install(TARGETS eddy_http EXPORT eddy_http_targets
          RUNTIME COMPONENT eddy_http LIBRARY COMPONENT eddy_http NAMELINK_COMPONENT eddy_dev ARCHIVE COMPONENT eddy_dev
          FILE_SET HEADERS COMPONENT eddy_dev)
  install(EXPORT eddy_http_targets NAMESPACE eddy:: DESTINATION ${package_dir} COMPONENT eddy_dev)
endif()

# And eddy::ws.
set(eddy_has_ws FALSE)
set(eddy_ws_needs_zlib FALSE)
if(TARGET eddy_ws)
  set(eddy_has_ws TRUE)
  get_target_property(eddy_ws_type eddy_ws TYPE)
  if(NOT eddy_ws_type STREQUAL "SHARED_LIBRARY")
    set(eddy_ws_needs_zlib TRUE)
  endif()
  install(TARGETS eddy_ws EXPORT eddy_ws_targets
          RUNTIME COMPONENT eddy_ws LIBRARY COMPONENT eddy_ws NAMELINK_COMPONENT eddy_dev ARCHIVE COMPONENT eddy_dev
          FILE_SET HEADERS COMPONENT eddy_dev)
  install(EXPORT eddy_ws_targets NAMESPACE eddy:: DESTINATION ${package_dir} COMPONENT eddy_dev)
endif()

# A shared eddy links liburing itself. A program that links a static eddy must link liburing, too.
get_target_property(eddy_type eddy TYPE)
if(liburing_FOUND AND NOT eddy_type STREQUAL "SHARED_LIBRARY")
  set(eddy_needs_liburing TRUE)
else()
  set(eddy_needs_liburing FALSE)
endif()
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/eddyConfig.cmake.in ${PROJECT_BINARY_DIR}/eddyConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS CMAKE_INSTALL_BINDIR
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0, a minor version may contain incompatible changes.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/eddyConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/eddyConfig.cmake ${PROJECT_BINARY_DIR}/eddyConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT eddy_dev)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/eddy_check.cmake DESTINATION ${package_dir} COMPONENT eddy_dev)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/tools/eddy-check TYPE BIN COMPONENT eddy_dev)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE TYPE DOC COMPONENT eddy_dev)
# The pages are in one folder there, so links between them lose their folders.
file(GLOB pages ${PROJECT_SOURCE_DIR}/docs/*.md ${PROJECT_SOURCE_DIR}/*/docs/*.md)
foreach(page IN LISTS pages)
  cmake_path(GET page FILENAME name)
  file(READ ${page} text)
  string(REGEX REPLACE "\\]\\(([a-z./]*/)?docs/([a-zA-Z_-]+\\.md)" "](\\2" text "${text}")
  file(WRITE ${PROJECT_BINARY_DIR}/pages/${name} "${text}")
endforeach()
install(DIRECTORY ${PROJECT_BINARY_DIR}/pages/ TYPE DOC COMPONENT eddy_dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ TYPE DOC COMPONENT eddy_dev FILES_MATCHING PATTERN "*.svg")
if(eddy_needs_liburing)
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/Findliburing.cmake DESTINATION ${package_dir} COMPONENT eddy_dev)
endif()

# ---- pkg-config ----

# The files find the other files from their own place, so that an installed eddy can be moved.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  set(eddy_pc_prefix ${CMAKE_INSTALL_PREFIX})
  set(eddy_pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
  set(eddy_pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
  file(RELATIVE_PATH up /${pc_dir} /)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(eddy_pc_prefix "\${pcfiledir}/${up}")
  set(eddy_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(eddy_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
# What a static library needs is required by every program: pkg-config does not know which kind of library is installed.
set(eddy_pc_requires "Requires:")
set(eddy_tls_pc_requires "Requires: eddy = ${PROJECT_VERSION}\nRequires.private: libssl >= 3, libcrypto >= 3")
if(eddy_needs_liburing)
  set(eddy_pc_requires "Requires: liburing >= 2.3")
endif()
if(NOT eddy_type STREQUAL "SHARED_LIBRARY")
  set(eddy_tls_pc_requires "Requires: eddy = ${PROJECT_VERSION}, libssl >= 3, libcrypto >= 3")
endif()
set(eddy_pc_threads " -pthread")
set(eddy_pc_definitions)
if(EDDY_NO_THREADS)
  set(eddy_pc_threads)
  set(eddy_pc_definitions " -DEDDY_NO_THREADS")
endif()
if(EDDY_CHECKS AND NOT EDDY_CHECKS STREQUAL "AUTO")
  string(APPEND eddy_pc_definitions " -DEDDY_CHECKS=1 -D_GLIBCXX_ASSERTIONS")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/eddy.pc.in ${PROJECT_BINARY_DIR}/eddy.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/eddy.pc DESTINATION ${pc_dir} COMPONENT eddy_dev)
if(eddy_has_tls)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/eddy-tls.pc.in ${PROJECT_BINARY_DIR}/eddy-tls.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/eddy-tls.pc DESTINATION ${pc_dir} COMPONENT eddy_dev)
endif()
if(eddy_has_http)
  set(eddy_http_base eddy)
  if(eddy_has_tls) # for https
    set(eddy_http_base eddy-tls)
  endif()
  set(eddy_http_pc_private)
  if(eddy_http_needs_nghttp2)
    set(eddy_http_pc_private ", libnghttp2 >= 1.50")
  endif()
  if(eddy_http_needs_zlib)
    string(APPEND eddy_http_pc_private ", zlib")
  endif()
  configure_file(${CMAKE_CURRENT_LIST_DIR}/eddy-http.pc.in ${PROJECT_BINARY_DIR}/eddy-http.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/eddy-http.pc DESTINATION ${pc_dir} COMPONENT eddy_dev)
endif()
if(eddy_has_ws)
  set(eddy_ws_pc_requires "Requires: eddy-http = ${PROJECT_VERSION}")
  if(eddy_ws_needs_zlib)
    string(APPEND eddy_ws_pc_requires ", zlib")
  endif()
  configure_file(${CMAKE_CURRENT_LIST_DIR}/eddy-ws.pc.in ${PROJECT_BINARY_DIR}/eddy-ws.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/eddy-ws.pc DESTINATION ${pc_dir} COMPONENT eddy_dev)
endif()

# ---- SBOM ----

include(${CMAKE_CURRENT_LIST_DIR}/sbom.cmake)
install(FILES ${PROJECT_BINARY_DIR}/eddy.spdx.json TYPE DOC COMPONENT eddy_dev)
